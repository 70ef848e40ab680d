#pragma once

#include <string_view>

#include "models/weights/checkpoint.hpp"

namespace luna::models {

/// Finds the family of a model by its tensors' names and describes it.
/// @returns `unsupported_model` naming the family if it is known but not served, or saying that
///   nothing of this kind was found; `bad_model_file` if tensors are missing or have wrong shapes.
result<model_facts> detect(model_kind kind, const checkpoint& file, std::string_view type);

/// The same for a text encoder of several files.
/// @returns `unsupported_model` also for a type whose encoders are others, with what this build
///   serves.
result<model_facts> detect_text_files(std::span<const checkpoint> files, std::string_view type);

} // namespace luna::models
