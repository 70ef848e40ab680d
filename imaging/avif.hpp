#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_block.hpp"

namespace luna::imaging {

/// Encodes one picture as AVIF, 8 bits, 4:2:0, by libavif at its speed 6 (Pillow's setting).
/// @param image u8 [H, W, C], C = 1 (grey), 3 or 4; sides of at most 16384.
/// @param quality 0 to 100; 100 is the finest quantizer, still not lossless.
/// @param exif a TIFF block without "Exif\0\0", or empty.
/// @returns the file; `bad_request` for another shape, `out_of_memory`, `internal` with libavif's
/// reason. Thread rule: free function without state, any thread.
result<std::vector<std::byte>> encode_avif(const tensor_block& image, int quality,
                                           std::span<const std::byte> exif);

} // namespace luna::imaging
