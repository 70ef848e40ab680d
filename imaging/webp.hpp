#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_block.hpp"

namespace luna::imaging {

/// WebP with EXIF, by libwebp itself: OpenImageIO writes no metadata into WebP and takes 20 s for a
/// lossless picture. Thread rule: free function without state, any thread.
struct webp_options {
  int quality = 90;      ///< 0 to 100; of a lossless picture: the effort
  bool lossless = false; ///< colours under full transparency may change, as with Pillow
};

/// Encodes one picture with the settings that Pillow has by default (method 4).
/// @param image u8 [H, W, C], C = 1 (stored as RGB), 3 or 4; sides of at most 16383.
/// @param exif a TIFF block without "Exif\0\0", or empty.
/// @returns the file; `bad_request` for another shape, `out_of_memory`.
result<std::vector<std::byte>> encode_webp(const tensor_block& image, const webp_options& options,
                                           std::span<const std::byte> exif);

} // namespace luna::imaging
