#include "imaging/jxl.hpp"

#include <algorithm>
#include <jxl/encode.h>
#include <memory>

#include "imaging/pixels.hpp"
#include "imaging/side_limits.hpp"

namespace luna::imaging {

namespace {

constexpr int64_t effort = 4;

using encoder_pointer = std::unique_ptr<JxlEncoder, void (*)(JxlEncoder*)>;

/// Butteraugli distance of a quality, as cjxl has it.
float distance_of(int quality) {
  const auto q = static_cast<float>(quality);
  if (quality >= 30)
    return 0.1F + (100.0F - q) * 0.09F;
  return 53.0F / 3000.0F * q * q - 23.0F / 20.0F * q + 25.0F;
}

JxlBasicInfo info_of(const picture_shape& shape, bool lossless) {
  JxlBasicInfo info;
  JxlEncoderInitBasicInfo(&info);
  info.xsize = static_cast<uint32_t>(shape.width);
  info.ysize = static_cast<uint32_t>(shape.height);
  info.bits_per_sample = 8;
  info.num_color_channels = shape.channels == 1 ? 1 : 3;
  if (shape.channels == 4) {
    info.num_extra_channels = 1;
    info.alpha_bits = 8;
  }
  info.uses_original_profile = lossless ? JXL_TRUE : JXL_FALSE;
  return info;
}

bool describe(JxlEncoder* encoder, const picture_shape& shape, bool lossless) {
  const auto info = info_of(shape, lossless);
  JxlColorEncoding srgb;
  JxlColorEncodingSetToSRGB(&srgb, shape.channels == 1 ? JXL_TRUE : JXL_FALSE);
  return JxlEncoderSetBasicInfo(encoder, &info) == JXL_ENC_SUCCESS
      && JxlEncoderSetColorEncoding(encoder, &srgb) == JXL_ENC_SUCCESS;
}

/// A box of EXIF begins with the offset of its TIFF header.
bool add_exif(JxlEncoder* encoder, std::span<const std::byte> exif) {
  std::vector<uint8_t> box(4, 0);
  const auto* begin = reinterpret_cast<const uint8_t*>(exif.data());
  box.insert(box.end(), begin, begin + exif.size());
  return JxlEncoderUseBoxes(encoder) == JXL_ENC_SUCCESS
      && JxlEncoderAddBox(encoder, "Exif", box.data(), box.size(), JXL_FALSE) == JXL_ENC_SUCCESS;
}

bool add_picture(JxlEncoder* encoder, const tensor_block& image, int quality) {
  auto* settings = JxlEncoderFrameSettingsCreate(encoder, nullptr);
  const bool lossless = quality == 100;
  if (settings == nullptr
      || JxlEncoderFrameSettingsSetOption(settings, JXL_ENC_FRAME_SETTING_EFFORT, effort)
           != JXL_ENC_SUCCESS)
    return false;
  if ((lossless ? JxlEncoderSetFrameLossless(settings, JXL_TRUE)
                : JxlEncoderSetFrameDistance(settings, distance_of(quality)))
      != JXL_ENC_SUCCESS)
    return false;
  const JxlPixelFormat format{static_cast<uint32_t>(image.dim(2)), JXL_TYPE_UINT8,
                              JXL_NATIVE_ENDIAN, 0};
  return JxlEncoderAddImageFrame(settings, &format, image.bytes().data(), image.size_bytes())
      == JXL_ENC_SUCCESS;
}

std::optional<std::vector<std::byte>> finished(JxlEncoder* encoder) {
  JxlEncoderCloseInput(encoder);
  std::vector<std::byte> out(size_t{1} << 16);
  auto* next = reinterpret_cast<uint8_t*>(out.data());
  size_t room = out.size();
  for (;;) {
    const auto status = JxlEncoderProcessOutput(encoder, &next, &room);
    const size_t used = out.size() - room;
    if (status == JXL_ENC_SUCCESS) {
      out.resize(used);
      return out;
    }
    if (status != JXL_ENC_NEED_MORE_OUTPUT)
      return std::nullopt;
    out.resize(out.size() * 2);
    next = reinterpret_cast<uint8_t*>(out.data()) + used;
    room = out.size() - used;
  }
}

} // namespace

result<std::vector<std::byte>> encode_jxl(const tensor_block& image, int quality,
                                          std::span<const std::byte> exif) {
  const auto shape = shape_of_u8_picture(image, "JPEG XL", max_jxl_side);
  if (!shape)
    return fail(shape);
  if (quality < 1 || quality > 100)
    return fail(ec::bad_request, "a JPEG XL's quality is 1 to 100");
  const encoder_pointer encoder{JxlEncoderCreate(nullptr), JxlEncoderDestroy};
  if (!encoder)
    return fail(ec::out_of_memory, "no memory for the JPEG XL encoder");
  const auto refused = [] { return fail(ec::internal, "libjxl refused to encode the picture"); };
  if (!describe(encoder.get(), *shape, quality == 100)
      || (!exif.empty() && !add_exif(encoder.get(), exif))
      || !add_picture(encoder.get(), image, quality))
    return refused();
  auto file = finished(encoder.get());
  if (!file)
    return refused();
  return std::move(*file);
}

} // namespace luna::imaging
