#pragma once

#include <string_view>

#include "base/result.hpp"
#include "models/prompt/embedding_source.hpp"
#include "models/tokenizers/text_tokens.hpp"
#include "models/tokenizers/tokenizer.hpp"

namespace luna::models {

/// Tokens of a prompt of which SDXL's tower "l" reads one text and the tower "g" another, as
/// ComfyUI's CLIPTextEncodeSDXL makes them: whichever got fewer chunks gets those of the empty
/// prompt after its own.
/// @param tokenizer of a model with the keys "l" and "g"; `model_mismatch` if it has others.
result<tokenized_text> tokenize_pair(const tokenizer& tokenizer, std::string_view text_l,
                                     std::string_view text_g,
                                     const embedding_source* embeddings = nullptr,
                                     text_cleanup cleanup = text_cleanup::transformers5);

} // namespace luna::models
