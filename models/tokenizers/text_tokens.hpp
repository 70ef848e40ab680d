#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/tensor_block.hpp"
#include "base/text_tokens.hpp"
#include "base/warning.hpp"

namespace luna::models {

/// Whether a number can be a weight: the encoders compute in f32, where 1e39 is infinite.
inline bool is_weight(double x) {
  return std::abs(x) <= static_cast<double>(std::numeric_limits<float>::max());
}

/// Chunks by the key of their encoder ("l", "g", "t5xxl", ...), as ComfyUI's CLIP.tokenize returns.
using text_tokens = std::map<std::string, std::vector<token_chunk>>;

/// A prompt after tokenization.
struct tokenized_text {
  text_tokens tokens;

  /// The tensors [rows, width] that tokens point to, each once. Names are unique:
  /// "<encoder>.<embedding>", for instance "clip_l.my_style".
  std::vector<named_tensor> embeddings;

  /// For the caller: an embedding that was not found, and the like.
  std::vector<warning> warnings;
};

} // namespace luna::models
