#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "models/tokenizers/clip_bpe.hpp"
#include "models/tokenizers/tokenizer.hpp"

namespace luna::models {

/// How one CLIP encoder wants its tokens.
struct clip_tokenizer_options {
  std::string key = "l";          ///< in text_tokens
  std::string encoder = "clip_l"; ///< name of its tensor in a textual inversion's file
  int32_t pad = clip_bpe::end;    ///< CLIP-G and SD2 pad with 0
  int positions = 77;             ///< length of a chunk
  int width = 768;                ///< of an embedding row
};

/// A tokenizer of one CLIP encoder.
std::shared_ptr<const tokenizer> make_clip_tokenizer(std::shared_ptr<const clip_bpe> bpe,
                                                     clip_tokenizer_options options);

/// The tokenizer of a model of these encoders, each with tokens of its own.
/// @param share the folder of vocabularies; holds clip/bpe_simple_vocab_16e6.txt.gz.
/// @returns `internal` if the vocabulary is absent or damaged. It is read once per process and
///   shared (about 100 ms the first time).
result<std::shared_ptr<const tokenizer>>
make_clip_tokenizer(std::span<const clip_tokenizer_options> encoders,
                    const std::filesystem::path& share);

} // namespace luna::models
