#include "imaging/picture_file.hpp"

#include <algorithm>
#include <utility>

#include "base/non_finite.hpp"
#include "imaging/avif.hpp"
#include "imaging/exif.hpp"
#include "imaging/general_formats.hpp"
#include "imaging/jpeg.hpp"
#include "imaging/jxl.hpp"
#include "imaging/side_limits.hpp"
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

struct largest_sides {
  std::string_view format;
  int64_t width = 0;
  int64_t height = 0;
};

/// The largest sides beside the other one and the channels of a picture.
largest_sides largest_picture(image_format format, const encoder_options& options,
                              const picture_shape& shape) {
  const int64_t sample = format == image_format::exr ? 4 : options.bit_depth == 16 ? 2 : 1;
  const auto pixel_bytes = shape.channels * sample;
  switch (format) {
  case image_format::png:
    return {"PNG", max_png_side, max_png_side};
  case image_format::webp:
    return {"WebP", max_webp_side, max_webp_side};
  case image_format::jpeg:
    return {"JPEG", max_jpeg_side, max_jpeg_side};
  case image_format::avif:
    return {"AVIF", max_avif_side, max_avif_side};
  case image_format::jxl:
    return {"JPEG XL", max_jxl_side, std::min(max_jxl_side, max_jxl_pixels / shape.width)};
  case image_format::tiff:
    return {"TIFF", max_tiff_row_bytes / pixel_bytes, INT32_MAX};
  case image_format::exr:
    break;
  }
  const auto rows = std::min(shape.height, exr_block_rows);
  return {"OpenEXR", max_exr_block_bytes / (pixel_bytes * rows), INT32_MAX};
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

result<void> check_sides(image_format format, const encoder_options& options,
                         const picture_shape& shape) {
  const auto largest = largest_picture(format, options, shape);
  if (shape.width <= largest.width && shape.height <= largest.height)
    return {};
  const auto bound = largest.width == largest.height
                     ? "whose sides have at most " + std::to_string(largest.width)
                     : "which holds at most " + std::to_string(largest.width) + " x "
                         + std::to_string(largest.height) + " of these";
  return fail(ec::bad_request,
              "a picture of " + std::to_string(shape.width) + " x " + std::to_string(shape.height)
                + " pixels is too large for " + std::string{largest.format} + ", " + bound
                + (format == image_format::png ? ": make it smaller" : ": save it as PNG"));
}

kept_picture pixels_to_keep(image_format format, const encoder_options& options,
                            const tensor_block& picture) {
  const bool deep =
    format == image_format::exr || (options.bit_depth == 16 && holds_16_bits(format));
  if (deep)
    return {picture, count_non_finite(picture)};
  uint64_t non_finite = 0;
  auto pixels = to_u8(picture, &non_finite);
  return {std::move(pixels), non_finite};
}

std::vector<std::string> keys_left_out(image_format format, const metadata_fields& fields) {
  if (!fields.embed)
    return {};
  auto out = fields.unwritable;
  if (format == image_format::exr)
    for (const auto* texts : {&fields.workflow, &fields.metadata})
      for (const auto& chunk : *texts)
        if (!is_exr_key((fields.luna && texts == &fields.metadata ? "gen_" : "") + chunk.key))
          out.push_back(chunk.key);
  return out;
}

result<picture_bytes> encode_picture(image_format format, const encoder_options& options,
                                     const picture_text& text, const tensor_block& picture) {
  const auto shape = picture_shape_of(picture);
  if (!shape)
    return fail(shape.error().code, "the picture " + shape.error().message);
  if (const auto fits = check_sides(format, options, *shape); !fits)
    return tl::make_unexpected(fits.error());
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
