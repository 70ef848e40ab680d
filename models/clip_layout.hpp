#pragma once

#include <string>
#include <string_view>

#include "models/checkpoint.hpp"

namespace luna::models {

/// Where a CLIP text tower's tensors lie in a file, under transformers' names.
struct clip_layout {
  std::string prefix; ///< of "embeddings.token_embedding.weight"; ends with a dot
  int layers = 0;     ///< blocks, numbered without a gap
};

/// The tower of an SD1.5 checkpoint ("cond_stage_model.", with or without "text_model.") or of a
/// file of its own ("text_model."); no layers if there is none.
clip_layout find_clip_l(const checkpoint& file);

/// Checks every tensor of the tower.
result<model_facts> describe_clip_l(const checkpoint& file);

} // namespace luna::models
