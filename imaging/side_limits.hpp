#pragma once

#include <cstdint>

namespace luna::imaging {

// The longest sides that the encoders take, in pixels. What is larger is refused when a job is
// submitted.

inline constexpr int64_t max_png_side = INT32_MAX / 16;   ///< ours: a row has fewer than 2^31 bytes
inline constexpr int64_t max_webp_side = 16383;           ///< libwebp's WEBP_MAX_DIMENSION
inline constexpr int64_t max_jpeg_side = 65500;           ///< libjpeg's JPEG_MAX_DIMENSION
inline constexpr int64_t max_avif_side = 65536;           ///< AV1's, which libaom checks
inline constexpr int64_t max_jxl_side = int64_t{1} << 30; ///< JPEG XL's level 10
inline constexpr int64_t max_jxl_pixels = int64_t{1} << 40; ///< the same, of the whole picture
inline constexpr int64_t max_tiff_row_bytes = INT32_MAX;    ///< of libtiff's strips
inline constexpr int64_t exr_block_rows = 16;               ///< of OpenEXR's zip compression
inline constexpr int64_t max_exr_block_bytes = INT32_MAX;   ///< it counts them in an int

} // namespace luna::imaging
