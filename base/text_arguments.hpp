#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/text_cleanup.hpp"
#include "base/text_tokens.hpp"

// What requests to text encoders say, and what they are answered beside tensors.

namespace luna {

/// Which output of the encoders is wanted.
struct text_layer {
  bool chosen = false; ///< false: the family's own layer
  int32_t layer = 0;   ///< -1..-N, if `chosen`
  bool projected = true;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, text_layer& x) {
  return f(x.chosen, x.layer, x.projected);
}

/// Arguments of clip_tokenize.
struct tokenize_arguments {
  std::string text;
  text_cleanup cleanup = text_cleanup::transformers5;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, tokenize_arguments& x) {
  return f(x.text, x.cleanup);
}

/// The answer of clip_tokenize; the tensors of `embeddings` are the reply's body.
struct tokenize_answer {
  std::vector<keyed_chunks> tokens;    ///< in the model's order
  std::vector<std::string> embeddings; ///< names of the tensors that tokens point to

  friend bool operator==(const tokenize_answer&, const tokenize_answer&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, tokenize_answer& x) {
  return f(x.tokens, x.embeddings);
}

/// Arguments of clip_encode and clip_encode_sdxl.
struct prompt_arguments {
  std::string positive;
  std::string negative;
  bool wants_negative = false; ///< false: only the positive prompt is encoded
  bool pair = false;           ///< SDXL: the tower "l" reads prompts of its own
  std::string positive_l;      ///< if `pair`
  std::string negative_l;
  text_cleanup cleanup = text_cleanup::transformers5;
  text_layer layer;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, prompt_arguments& x) {
  return f(x.positive, x.negative, x.wants_negative, x.pair, x.positive_l, x.negative_l, x.cleanup,
           x.layer);
}

/// Arguments of clip_encode_from_tokens.
struct token_arguments {
  std::vector<keyed_chunks> tokens;
  std::vector<std::string> embeddings; ///< names of the body's tensors that tokens point to
  text_layer layer;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, token_arguments& x) {
  return f(x.tokens, x.embeddings, x.layer);
}

} // namespace luna
