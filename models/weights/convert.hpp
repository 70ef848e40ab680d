#pragma once

#include "base/result.hpp"
#include "base/tensor_block.hpp"

namespace luna::models {

/// The same values as another type, rounded to nearest even: between f32, f16 and bf16.
/// Anything else is `bad_request`, and so is a value that only the new type calls infinite. A block
/// that already has the type is returned as it is.
result<tensor_block> convert(const tensor_block& block, dtype type);

/// An image of numbers in 0..1 as bytes, as ComfyUI saves it: clip(255 x, 0, 255), truncated.
/// @param image any shape, f32, f16, bf16, or u8 (returned as it is).
result<tensor_block> image_to_u8(const tensor_block& image);

/// What a request's `dtype` asks for: `u8` by image_to_u8 (images only), else convert.
result<tensor_block> convert_reply(const tensor_block& block, dtype type, bool is_image);

} // namespace luna::models
