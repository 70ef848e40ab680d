#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_block.hpp"
#include "imaging/text_chunk.hpp"

namespace luna::imaging {

/// The formats that OpenImageIO writes for us, into memory.
/// Thread rule: free functions without state, any thread.

/// TIFF, compressed (deflate with a predictor). `prompt` goes to Model, `workflow` to Make, all
/// others line by line to ImageDescription, each as "key:text".
/// @param image u8 or u16 [H, W, C], C = 1, 3 or 4.
/// @param date "2026:11:22 10:00:00"; empty: now.
result<std::vector<std::byte>>
encode_tiff(const tensor_block& image, std::span<const text_chunk> text, const std::string& date);

/// OpenEXR, 32-bit floats, compressed (zip). `prompt`, `workflow` and `parameters`
/// are attributes of these names, the others of "luna:<key>", escaped as text_keys.hpp does. One
/// that `is_exr_key` denies is not written.
/// @param image f32 [H, W, C], C = 1, 3 or 4; the values as they are. @param date as above.
result<std::vector<std::byte>>
encode_exr(const tensor_block& image, std::span<const text_chunk> text, const std::string& date);

/// Whether an attribute can have the name of this key.
bool is_exr_key(const std::string& key);

/// Makes a picture smaller, area-weighted, so that its longest side has at most `longest_side`
/// pixels; smaller pictures are handed back. @param image u8 [H, W, C].
result<tensor_block> shrunk(const tensor_block& image, int64_t longest_side);

} // namespace luna::imaging
