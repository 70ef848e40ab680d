#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_block.hpp"

namespace luna::imaging {

/// Encodes one picture as JPEG XL, 8 bits, by libjxl at its effort 4 ("cheetah").
/// @param image u8 [H, W, C], C = 1 (grey), 3 or 4.
/// @param quality 1 to 100 on the scale of libjxl's own tool; 100 is lossless.
/// @param exif a TIFF block without "Exif\0\0", or empty.
/// @returns the file; `bad_request` for another shape, `internal` if libjxl refuses.
/// Thread rule: free function without state, any thread.
result<std::vector<std::byte>> encode_jxl(const tensor_block& image, int quality,
                                          std::span<const std::byte> exif);

} // namespace luna::imaging
