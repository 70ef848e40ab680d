#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/real.hpp"

namespace luna {

/// One position of a chunk: a vocabulary id, or a row of a textual inversion.
struct text_token {
  int32_t id = 0;         ///< ignored if `embedding` >= 0
  real weight = 1.0;      ///< emphasis
  int32_t embedding = -1; ///< index of a tensor of embedding rows, or -1
  int32_t row = 0;        ///< row of that tensor
  int32_t word = 0;       ///< number of the prompt's segment, from 1; 0 for start, end and pads

  friend bool operator==(const text_token&, const text_token&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, text_token& x) {
  return f(x.id, x.weight, x.embedding, x.row, x.word);
}

/// What goes through an encoder as one row: 77 tokens for CLIP.
using token_chunk = std::vector<text_token>;

/// The chunks of one encoder by its key: "l", "g", "t5xxl", ... as ComfyUI's CLIP.tokenize returns.
struct keyed_chunks {
  std::string key;
  std::vector<token_chunk> chunks;

  friend bool operator==(const keyed_chunks&, const keyed_chunks&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, keyed_chunks& x) {
  return f(x.key, x.chunks);
}

} // namespace luna
