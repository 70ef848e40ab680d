#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.hpp"
#include "base/tensor_block.hpp"

namespace luna::imaging {

/// Pictures as tensors: [H, W, C], or [B, H, W, C] for a batch of B; f32 in 0..1, or u8.
/// Thread rule: free functions without state, any thread.

/// What a tensor holds when it is read as a batch of pictures.
struct picture_shape {
  int64_t count = 0; ///< B, or 1 for [H, W, C]
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 0;
};

/// Reads the shape of f32 or u8 pictures with 1, 3 or 4 channels and at least one pixel.
/// @returns `bad_request` that says what is wrong, without the tensor's name.
result<picture_shape> picture_shape_of(const tensor_block& pictures);

/// Reads the shape of what the encoders take: one u8 picture [H, W, C].
/// @param format names the format in errors, e.g. "WebP". @param largest side that it can have.
/// @returns `bad_request` for another type or shape.
result<picture_shape> shape_of_u8_picture(const tensor_block& picture, std::string_view format,
                                          int64_t largest_side);

/// One picture of a batch as [H, W, C]: a view, nothing is copied.
/// @pre `picture_shape_of(pictures)` has a value and `row` is less than its count.
tensor_block picture_of(const tensor_block& pictures, int64_t row);

/// f32 to u8 as ComfyUI's SaveImage does it: clip(255 * x, 0, 255), truncated; NaN becomes 0.
/// A u8 tensor is handed back as it is. @pre the type is f32 or u8.
/// @param non_finite if given, `count_non_finite` of the same pass over the pixels.
tensor_block to_u8(const tensor_block& pictures, uint64_t* non_finite = nullptr);

/// To 16 bits: clip(65535 * x, 0, 65535) of f32, truncated; 257 * x of u8. @pre as above.
tensor_block to_u16(const tensor_block& pictures);

/// To f32 in 0..1 as it is: u8 is divided by 255, f32 is handed back. @pre as above.
tensor_block to_f32(const tensor_block& pictures);

/// The first `channels` of each pixel, in a copy unless there are no more. @pre u8, at least so
/// many.
tensor_block with_channels(const tensor_block& picture, int64_t channels);

} // namespace luna::imaging
