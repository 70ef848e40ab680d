#pragma once

#include <string_view>

#include "models/weights/checkpoint.hpp"

namespace luna::models {

/// Whether the weights under a prefix are numbers as they stand.
///
/// The problem: fp8, int8, nf4 and their like keep the names of the weights and put scales beside
/// them; read without the scales, such a model answers noise.
/// @param what "text encoder" or "VAE", for the message.
/// @returns `unsupported_model` that names the format and a layer that is stored so.
result<void> check_not_quantised(const checkpoint& file, std::string_view prefix,
                                 std::string_view what);

} // namespace luna::models
