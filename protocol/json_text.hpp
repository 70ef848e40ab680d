#pragma once

#include <cstdint>
#include <cstring>

namespace luna::protocol {

/// The first byte of [at, end) that does not stand for itself in a JSON text: a quote, a backslash,
/// a control character or part of a character beyond ASCII; `end` if there is none. Most of a
/// header is such runs, so they are looked through eight bytes at a time.
inline const char* end_of_plain_text(const char* at, const char* end) {
  constexpr uint64_t ones = 0x0101010101010101;
  constexpr uint64_t high = 0x8080808080808080;
  // The high bit of a byte of (x - n * ones) & ~x is set if it is less than n; the bytes above such
  // a one may be wrong, so the place itself is found byte by byte.
  auto below = [](uint64_t x, uint64_t n) { return (x - n * ones) & ~x; };
  for (; end - at >= 8; at += 8) {
    uint64_t x = 0;
    std::memcpy(&x, at, 8);
    if (((x | below(x, 0x20) | below(x ^ '"' * ones, 1) | below(x ^ '\\' * ones, 1)) & high) != 0)
      break;
  }
  for (; at != end; ++at) {
    auto c = static_cast<unsigned char>(*at);
    if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
      break;
  }
  return at;
}

} // namespace luna::protocol
