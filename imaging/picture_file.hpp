#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_block.hpp"
#include "imaging/metadata.hpp"
#include "imaging/pixels.hpp"
#include "imaging/png.hpp"

namespace luna::imaging {

/// A picture becomes a file of any of the formats: the one place that knows them all.
/// Thread rule: plain values and free functions without state, any thread.

enum class image_format : uint8_t { png, webp, jpeg, avif, jxl, tiff, exr };

/// "png", "webp", ..., in the order of the enumeration.
const std::vector<std::string>& format_names();

/// "png", "webp", "jpg", "avif", "jxl", "tiff", "exr".
std::string_view extension_of(image_format format);

/// The format of a file name's extension (without its dot, case does not count).
std::optional<image_format> format_of_extension(std::string_view extension);

struct encoder_options {
  png_options png;
  int bit_depth = 8;      ///< 8 or 16, of PNG and TIFF
  int lossy_quality = 90; ///< 1 to 100, of WebP, JPEG, AVIF and JPEG XL
  bool lossless_webp = false;
};

/// Whether a picture of this shape fits into a file of the format, by its encoder's own bounds.
/// @returns `bad_request` that names them.
result<void> check_sides(image_format format, const encoder_options& options,
                         const picture_shape& shape);

/// What is kept of a picture until `encode_picture`.
struct kept_picture {
  tensor_block pixels;
  uint64_t non_finite = 0; ///< values that were NaN or infinite
};

/// The pixels as they have to be kept: u8, unless the file holds more.
/// @param picture f32 in 0..1 or u8.
kept_picture pixels_to_keep(image_format format, const encoder_options& options,
                            const tensor_block& picture);

/// The keys of the text that no file of the format can hold, whatever the text.
std::vector<std::string> keys_left_out(image_format format, const metadata_fields& fields);

struct picture_bytes {
  std::vector<std::byte> file;
  std::vector<std::string> left_out; ///< keys of the text that this file has no room for
};

/// Encodes one picture with its text: chunks in PNG, EXIF in WebP, JPEG, AVIF and JPEG XL, tags in
/// TIFF, attributes in OpenEXR.
/// @param picture [H, W, C], f32 in 0..1 or u8, C = 1, 3 or 4.
/// @returns `bad_request` for what the format cannot hold (a picture that is too large).
result<picture_bytes> encode_picture(image_format format, const encoder_options& options,
                                     const picture_text& text, const tensor_block& picture);

} // namespace luna::imaging
