#include "base/non_finite.hpp"

#include <algorithm>
#include <cstring>

namespace luna {

namespace {

/// Counts the words whose exponent's bits are all set. In pieces, so that compilers count in as
/// many lanes as a word has room in a register.
template <class Word>
uint64_t count_words(std::span<const std::byte> bytes, Word exponent) {
  constexpr size_t piece = size_t{1} << 14;
  uint64_t total = 0;
  for (size_t at = 0; at < bytes.size(); at += piece * sizeof(Word)) {
    auto part = bytes.subspan(at, std::min(bytes.size() - at, piece * sizeof(Word)));
    Word count = 0;
    for (size_t i = 0; i < part.size() / sizeof(Word); ++i) {
      Word word;
      std::memcpy(&word, part.data() + i * sizeof(Word), sizeof(Word));
      count = static_cast<Word>(count + static_cast<Word>((word & exponent) == exponent));
    }
    total += count;
  }
  return total;
}

} // namespace

uint64_t count_non_finite(dtype type, std::span<const std::byte> bytes) {
  switch (type) {
  case dtype::f32:
    return count_words<uint32_t>(bytes, 0x7f800000);
  case dtype::f16:
    return count_words<uint16_t>(bytes, 0x7c00);
  case dtype::bf16:
    return count_words<uint16_t>(bytes, 0x7f80);
  case dtype::f64:
    return count_words<uint64_t>(bytes, 0x7ff0000000000000);
  default:
    return 0;
  }
}

} // namespace luna
