#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "base/text_cleanup.hpp"

namespace luna::models {

/// CLIP's byte-pair encoding: text to vocabulary ids.
///
/// Text is cleaned up first (clean_clip_text). Ids: 256 bytes, 256 bytes at the end of a word,
/// 48,894 merges, start, end. Thread rule: immutable.
class clip_bpe {
public:
  static constexpr int32_t start = 49406;
  static constexpr int32_t end = 49407;
  static constexpr int32_t vocabulary = 49408;

  /// Reads OpenAI's bpe_simple_vocab_16e6.txt.gz (1.3 MB; about 30 ms).
  /// @returns `internal` if the file is absent or damaged: the installation is.
  static result<std::shared_ptr<const clip_bpe>> load(const std::filesystem::path& file);

  /// The same from the merges' text, one pair a line after a line of title.
  static result<std::shared_ptr<const clip_bpe>> parse(std::string_view merges);

  /// @param text well-formed UTF-8. "<|startoftext|>" and "<|endoftext|>" in it are their ids.
  std::vector<int32_t> encode(std::string_view text,
                              text_cleanup how = text_cleanup::transformers5) const;

private:
  void encode_plain(std::string_view text, text_cleanup how, std::vector<int32_t>& ids) const;
  void encode_words(std::u32string_view rest, text_cleanup how, std::vector<int32_t>& ids) const;
  void encode_word(std::u32string_view word, std::vector<int32_t>& ids) const;

  /// The id that a pair of neighbours merges into; the smaller the id, the earlier the merge.
  std::unordered_map<uint64_t, int32_t> merges_;
};

} // namespace luna::models
