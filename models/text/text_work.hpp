#pragma once

#include "base/text_arguments.hpp"
#include "models/work.hpp"

// The kinds of work that text encoders do.

namespace luna::models {

/// clip_tokenize: the answer is there at once; its attributes are a tokenize_answer.
result<prepared_work> prepare_tokenize(const tokenize_arguments& arguments,
                                       const preparation& request);

/// clip_encode, clip_encode_sdxl: prompts become tokens, then work.
result<prepared_work> prepare_prompts(const prompt_arguments& arguments,
                                      const preparation& request);

/// clip_encode_from_tokens.
result<prepared_work> prepare_tokens(const token_arguments& arguments, const preparation& request);

} // namespace luna::models
