#include "imaging/webp.hpp"

#include <memory>
#include <string>
#include <webp/encode.h>
#include <webp/mux.h>

#include "imaging/pixels.hpp"
#include "imaging/side_limits.hpp"

namespace luna::imaging {

namespace {

static_assert(max_webp_side == WEBP_MAX_DIMENSION);

constexpr int pillows_method = 4;

using mux_pointer = std::unique_ptr<WebPMux, void (*)(WebPMux*)>;

failure webp_failure(WebPEncodingError error) {
  const bool memory =
    error == VP8_ENC_ERROR_OUT_OF_MEMORY || error == VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY;
  return {memory ? ec::out_of_memory : ec::bad_request,
          "libwebp could not encode the picture (its error " + std::to_string(error) + ")",
          0,
          {}};
}

/// A grey picture as RGB: WebP knows nothing else.
tensor_block in_colour(const tensor_block& image) {
  if (image.dim(2) != 1)
    return image;
  const auto grey = image.as<uint8_t>();
  std::vector<uint8_t> rgb(grey.size() * 3);
  for (size_t i = 0; i < grey.size(); ++i)
    rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = grey[i];
  return tensor_block::copy_of(dtype::u8, {image.dim(0), image.dim(1), 3},
                               std::as_bytes(std::span{rgb}));
}

class webp_picture {
public:
  webp_picture() { valid_ = WebPPictureInit(&picture_) != 0; }
  webp_picture(const webp_picture&) = delete;
  webp_picture& operator=(const webp_picture&) = delete;
  ~webp_picture() { WebPPictureFree(&picture_); }

  bool import(const tensor_block& image) {
    if (!valid_)
      return false;
    picture_.use_argb = 1;
    picture_.width = static_cast<int>(image.dim(1));
    picture_.height = static_cast<int>(image.dim(0));
    const auto* pixels = image.as<uint8_t>().data();
    return image.dim(2) == 4 ? WebPPictureImportRGBA(&picture_, pixels, picture_.width * 4) != 0
                             : WebPPictureImportRGB(&picture_, pixels, picture_.width * 3) != 0;
  }

  WebPPicture* get() { return &picture_; }

private:
  WebPPicture picture_{};
  bool valid_ = false;
};

/// Puts the EXIF beside the pictures' data, in an extended file.
result<std::vector<std::byte>> with_exif(const WebPMemoryWriter& pixels,
                                         std::span<const std::byte> exif) {
  const mux_pointer mux{WebPMuxNew(), WebPMuxDelete};
  const WebPData picture{pixels.mem, pixels.size};
  const WebPData block{reinterpret_cast<const uint8_t*>(exif.data()), exif.size()};
  if (!mux || WebPMuxSetImage(mux.get(), &picture, 0) != WEBP_MUX_OK
      || WebPMuxSetChunk(mux.get(), "EXIF", &block, 0) != WEBP_MUX_OK)
    return fail(ec::internal, "libwebp refused the picture's EXIF");
  WebPData file{};
  if (WebPMuxAssemble(mux.get(), &file) != WEBP_MUX_OK)
    return fail(ec::out_of_memory, "no memory for the WebP file");
  const auto* begin = reinterpret_cast<const std::byte*>(file.bytes);
  std::vector<std::byte> out{begin, begin + file.size};
  WebPDataClear(&file);
  return out;
}

} // namespace

result<std::vector<std::byte>> encode_webp(const tensor_block& image, const webp_options& options,
                                           std::span<const std::byte> exif) {
  if (const auto shape = shape_of_u8_picture(image, "WebP", max_webp_side); !shape)
    return fail(shape);
  WebPConfig config;
  if (WebPConfigInit(&config) == 0)
    return fail(ec::internal, "libwebp has another version than its headers");
  config.lossless = options.lossless ? 1 : 0;
  config.quality = static_cast<float>(options.quality);
  config.method = pillows_method;
  if (WebPValidateConfig(&config) == 0)
    return fail(ec::bad_request, "a WebP's quality is 0 to 100");
  webp_picture picture;
  if (!picture.import(in_colour(image)))
    return fail(ec::out_of_memory, "no memory for the WebP encoder");
  WebPMemoryWriter writer;
  WebPMemoryWriterInit(&writer);
  const std::unique_ptr<WebPMemoryWriter, void (*)(WebPMemoryWriter*)> owner{&writer,
                                                                             WebPMemoryWriterClear};
  picture.get()->writer = WebPMemoryWrite;
  picture.get()->custom_ptr = &writer;
  if (WebPEncode(&config, picture.get()) == 0)
    return tl::make_unexpected(webp_failure(picture.get()->error_code));
  if (!exif.empty())
    return with_exif(writer, exif);
  const auto* begin = reinterpret_cast<const std::byte*>(writer.mem);
  return std::vector<std::byte>{begin, begin + writer.size};
}

} // namespace luna::imaging
