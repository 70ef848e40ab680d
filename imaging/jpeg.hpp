#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_block.hpp"

namespace luna::imaging {

/// The bytes of EXIF that one JPEG can hold: a segment's length has 16 bits and counts itself and
/// "Exif\0\0".
inline constexpr size_t largest_jpeg_exif = 65535 - 2 - 6;

/// Encodes one picture with the settings that Pillow has by default: baseline, 4:2:0, accurate DCT.
/// By libjpeg-turbo itself, since OpenImageIO leaves most EXIF out.
///
/// @param image u8 [H, W, C], C = 1 (grey), 3, or 4 (alpha is dropped); sides of at most 65500.
/// @param quality 1 to 100.
/// @param exif a TIFF block without "Exif\0\0", at most `largest_jpeg_exif` bytes, or empty.
/// @returns the file; `bad_request` for another shape or too much EXIF.
/// Thread rule: free function without state, any thread.
result<std::vector<std::byte>> encode_jpeg(const tensor_block& image, int quality,
                                           std::span<const std::byte> exif);

} // namespace luna::imaging
