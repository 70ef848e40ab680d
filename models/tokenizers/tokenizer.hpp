#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "base/result.hpp"
#include "base/text_cleanup.hpp"
#include "models/prompt/embedding_source.hpp"
#include "models/tokenizers/text_tokens.hpp"
#include "models/weights/inspect.hpp"

namespace luna::models {

/// Turns a prompt into what the encoders of a family eat, exactly as ComfyUI does: weights,
/// nesting, escapes, textual inversions, chunks. Needs the vocabulary, not the weights.
///
/// Thread rule: immutable after construction; any number of threads may tokenize at once.
class tokenizer {
public:
  virtual ~tokenizer() = default;

  /// @param text UTF-8; ill-formed bytes are `bad_request`.
  /// @param embeddings null: "embedding:name" is not found. What cannot be used of them is left out
  /// with a warning.
  virtual result<tokenized_text>
  tokenize(std::string_view text, const embedding_source* embeddings = nullptr,
           text_cleanup cleanup = text_cleanup::transformers5) const = 0;
};

/// The tokenizer of a text model.
/// @param share the folder of vocabularies.
/// @returns `unsupported_model` if nobody serves its family, or `internal` if the vocabulary is
///   absent or damaged. Vocabularies are read once per process and shared.
result<std::shared_ptr<const tokenizer>> make_tokenizer(const model_facts& facts,
                                                        const std::filesystem::path& share);

} // namespace luna::models
