#include "models/tokenizers/utf8.hpp"

#include <utf8proc.h>

namespace luna::models {

std::optional<std::u32string> decode_utf8(std::string_view text) {
  std::u32string points;
  points.reserve(text.size());
  auto* at = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  auto left = static_cast<utf8proc_ssize_t>(text.size());
  while (left > 0) {
    utf8proc_int32_t point = 0;
    auto n = utf8proc_iterate(at, left, &point);
    if (n <= 0)
      return std::nullopt;
    points.push_back(static_cast<char32_t>(point));
    at += n;
    left -= n;
  }
  return points;
}

std::string encode_utf8(std::u32string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (auto c : text) {
    utf8proc_uint8_t buffer[4];
    auto n = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), buffer);
    bytes.append(reinterpret_cast<const char*>(buffer), static_cast<size_t>(n));
  }
  return bytes;
}

bool is_space(char32_t c) {
  if (c < 0x80)
    return (c >= 0x09 && c <= 0x0d) || c == 0x20;
  if (c == 0x85)
    return true;
  auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL
      || category == UTF8PROC_CATEGORY_ZP;
}

bool is_python_space(char32_t c) {
  return is_space(c) || (c >= 0x1c && c <= 0x1f);
}

bool is_letter(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LL:
  case UTF8PROC_CATEGORY_LT:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_LO:
    return true;
  default:
    return false;
  }
}

bool is_number(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
  case UTF8PROC_CATEGORY_ND:
  case UTF8PROC_CATEGORY_NL:
  case UTF8PROC_CATEGORY_NO:
    return true;
  default:
    return false;
  }
}

std::optional<int> digit_value(char32_t c) {
  auto is_digit = [](char32_t x) {
    return utf8proc_category(static_cast<utf8proc_int32_t>(x)) == UTF8PROC_CATEGORY_ND;
  };
  if (!is_digit(c))
    return std::nullopt;
  // Unicode's decimal digits stand in runs of 0 to 9, some of them side by side.
  auto first = c;
  while (first > 0 && is_digit(first - 1))
    --first;
  return static_cast<int>((c - first) % 10);
}

} // namespace luna::models
