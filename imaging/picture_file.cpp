#include "imaging/picture_file.hpp"

#include <algorithm>

#include "imaging/avif.hpp"
#include "imaging/exif.hpp"
#include "imaging/general_formats.hpp"
#include "imaging/jpeg.hpp"
#include "imaging/jxl.hpp"
#include "imaging/pixels.hpp"
#include "imaging/webp.hpp"

namespace luna::imaging {

namespace {

bool holds_16_bits(image_format format) {
  return format == image_format::png || format == image_format::tiff;
}

result<picture_bytes> file_of(result<std::vector<std::byte>> bytes,
                              std::vector<std::string> left_out = {}) {
  if (!bytes)
    return fail(bytes);
  return picture_bytes{std::move(*bytes), std::move(left_out)};
}

tensor_block samples_of(const encoder_options& options, const tensor_block& picture) {
  return options.bit_depth == 16 ? to_u16(picture) : to_u8(picture);
}

result<picture_bytes> jpeg_file(int quality, const picture_text& text,
                                const tensor_block& picture) {
  auto exif = make_exif_within(text, largest_jpeg_exif);
  return file_of(encode_jpeg(to_u8(picture), quality, exif.bytes), std::move(exif.left_out));
}

} // namespace

const std::vector<std::string>& format_names() {
  static const std::vector<std::string> names = {"png", "webp", "jpeg", "avif",
                                                 "jxl", "tiff", "exr"};
  return names;
}

std::string_view extension_of(image_format format) {
  if (format == image_format::jpeg)
    return "jpg";
  return format_names().at(static_cast<size_t>(format));
}

std::optional<image_format> format_of_extension(std::string_view extension) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  std::string text{extension};
  std::transform(text.begin(), text.end(), text.begin(), lower);
  if (text == "jpg")
    return image_format::jpeg;
  const auto& names = format_names();
  const auto at = std::find(names.begin(), names.end(), text);
  if (at == names.end())
    return std::nullopt;
  return static_cast<image_format>(at - names.begin());
}

tensor_block pixels_to_keep(image_format format, const encoder_options& options,
                            const tensor_block& picture) {
  const bool deep =
    format == image_format::exr || (options.bit_depth == 16 && holds_16_bits(format));
  return deep ? picture : to_u8(picture);
}

result<picture_bytes> encode_picture(image_format format, const encoder_options& options,
                                     const picture_text& text, const tensor_block& picture) {
  const auto exif = [&] { return make_exif(text.exif, text.comment); };
  switch (format) {
  case image_format::png:
    return file_of(encode_png(samples_of(options, picture), options.png, text.chunks));
  case image_format::webp:
    return file_of(
      encode_webp(to_u8(picture), {options.lossy_quality, options.lossless_webp}, exif()));
  case image_format::jpeg:
    return jpeg_file(options.lossy_quality, text, picture);
  case image_format::avif:
    return file_of(encode_avif(to_u8(picture), options.lossy_quality, exif()));
  case image_format::jxl:
    return file_of(encode_jxl(to_u8(picture), options.lossy_quality, exif()));
  case image_format::tiff:
    return file_of(encode_tiff(samples_of(options, picture), text.chunks, text.date));
  case image_format::exr:
    return file_of(encode_exr(to_f32(picture), text.chunks, text.date));
  }
  return fail(ec::internal, "a picture has no known format");
}

} // namespace luna::imaging
