#include "imaging/avif.hpp"

#include <algorithm>
#include <avif/avif.h>
#include <memory>
#include <string>

#include "imaging/pixels.hpp"
#include "imaging/side_limits.hpp"

namespace luna::imaging {

namespace {

constexpr int pillows_speed = 6;

using image_pointer = std::unique_ptr<avifImage, void (*)(avifImage*)>;
using encoder_pointer = std::unique_ptr<avifEncoder, void (*)(avifEncoder*)>;

failure avif_failure(avifResult why) {
  const bool memory = why == AVIF_RESULT_OUT_OF_MEMORY;
  return {memory ? ec::out_of_memory : ec::internal,
          std::string{"libavif: "} + avifResultToString(why),
          0,
          {}};
}

/// The pixels in the planes of AVIF. A grey picture has the first one alone.
result<image_pointer> planes_of(const tensor_block& image) {
  const bool grey = image.dim(2) == 1;
  const auto width = static_cast<uint32_t>(image.dim(1));
  const auto height = static_cast<uint32_t>(image.dim(0));
  const auto format = grey ? AVIF_PIXEL_FORMAT_YUV400 : AVIF_PIXEL_FORMAT_YUV420;
  image_pointer planes{
    avifImageCreate(static_cast<int>(width), static_cast<int>(height), 8, format),
    avifImageDestroy};
  if (!planes)
    return fail(ec::out_of_memory, "no memory for the AVIF encoder");
  planes->yuvRange = AVIF_RANGE_FULL;
  planes->colorPrimaries = AVIF_COLOR_PRIMARIES_BT709;
  planes->transferCharacteristics = AVIF_TRANSFER_CHARACTERISTICS_SRGB;
  planes->matrixCoefficients = AVIF_MATRIX_COEFFICIENTS_BT601;
  const auto* pixels = image.as<uint8_t>().data();
  if (grey) {
    avifImageAllocatePlanes(planes.get(), AVIF_PLANES_YUV);
    for (uint32_t y = 0; y < height; ++y)
      std::copy_n(pixels + size_t{y} * width, width,
                  planes->yuvPlanes[0] + size_t{y} * planes->yuvRowBytes[0]);
    return planes;
  }
  avifRGBImage rgb;
  avifRGBImageSetDefaults(&rgb, planes.get());
  rgb.format = image.dim(2) == 4 ? AVIF_RGB_FORMAT_RGBA : AVIF_RGB_FORMAT_RGB;
  rgb.pixels = const_cast<uint8_t*>(pixels); // only read
  rgb.rowBytes = width * static_cast<uint32_t>(image.dim(2));
  if (const auto done = avifImageRGBToYUV(planes.get(), &rgb); done != AVIF_RESULT_OK)
    return tl::make_unexpected(avif_failure(done));
  return planes;
}

} // namespace

result<std::vector<std::byte>> encode_avif(const tensor_block& image, int quality,
                                           std::span<const std::byte> exif) {
  if (const auto shape = shape_of_u8_picture(image, "AVIF", max_avif_side); !shape)
    return fail(shape);
  if (quality < 0 || quality > 100)
    return fail(ec::bad_request, "an AVIF's quality is 0 to 100");
  auto planes = planes_of(image);
  if (!planes)
    return fail(planes);
  if (!exif.empty())
    avifImageSetMetadataExif(planes->get(), reinterpret_cast<const uint8_t*>(exif.data()),
                             exif.size());
  const encoder_pointer encoder{avifEncoderCreate(), avifEncoderDestroy};
  if (!encoder)
    return fail(ec::out_of_memory, "no memory for the AVIF encoder");
  encoder->speed = pillows_speed;
  encoder->maxThreads = 1;
  encoder->minQuantizer = encoder->maxQuantizer =
    AVIF_QUANTIZER_WORST_QUALITY * (100 - quality) / 100;
  encoder->minQuantizerAlpha = encoder->maxQuantizerAlpha = AVIF_QUANTIZER_LOSSLESS;
  avifRWData file = AVIF_DATA_EMPTY;
  const auto done = avifEncoderWrite(encoder.get(), planes->get(), &file);
  const std::unique_ptr<avifRWData, void (*)(avifRWData*)> owner{&file, avifRWDataFree};
  if (done != AVIF_RESULT_OK)
    return tl::make_unexpected(avif_failure(done));
  const auto* begin = reinterpret_cast<const std::byte*>(file.data);
  return std::vector<std::byte>{begin, begin + file.size};
}

} // namespace luna::imaging
