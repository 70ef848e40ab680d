#include "protocol/json_number.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace luna::protocol {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Whether the text of a number that no double holds is too large, rather than too small.
bool is_huge(std::string_view number) {
  // The power of ten of the first digit that is not 0, and the exponent on top of it.
  if (number.front() == '-')
    number.remove_prefix(1);
  auto e = number.find_first_of("eE");
  auto digits = number.substr(0, e);
  auto first = digits.find_first_of("123456789");
  if (first == std::string_view::npos)
    return false;
  auto point = std::min(digits.find('.'), digits.size());
  auto power = static_cast<int64_t>(point) - static_cast<int64_t>(first);
  if (e == std::string_view::npos)
    return power > 0;
  auto text = number.substr(e + 1);
  auto negative = text.front() == '-';
  if (negative || text.front() == '+')
    text.remove_prefix(1);
  int64_t exponent = 0;
  for (auto c : text)
    exponent = std::min<int64_t>(exponent * 10 + (c - '0'), int64_t{1} << 40);
  return power + (negative ? -exponent : exponent) > 0;
}

size_t skip_digits(std::string_view text, size_t at) {
  while (at < text.size() && is_digit(text[at]))
    ++at;
  return at;
}

bool digit_at(std::string_view text, size_t at) {
  return at < text.size() && is_digit(text[at]);
}

template <class T>
void read_whole(std::string_view text, scanned_number& to) {
  T value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc{})
    to.value = value;
  else
    to.problem = "a whole number of more than 64 bits";
}

void read_real(std::string_view text, scanned_number& to) {
  double value = 0;
  auto fits = std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc{};
  if (fits)
    to.value = value;
  else if (is_huge(text))
    to.problem = "a number that is too large for a double";
  else
    to.value = text.front() == '-' ? -0.0 : 0.0;
}

} // namespace

scanned_number scan_number(std::string_view text) {
  scanned_number number;
  size_t at = text.starts_with('-') ? 1 : 0;
  auto negative = at == 1;
  if (!digit_at(text, at))
    return number;
  at = text[at] == '0' ? at + 1 : skip_digits(text, at);
  auto whole = true;
  if (at < text.size() && text[at] == '.' && digit_at(text, at + 1)) {
    whole = false;
    at = skip_digits(text, at + 1);
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    auto sign = at + 1 < text.size() && (text[at + 1] == '+' || text[at + 1] == '-') ? 1U : 0U;
    if (digit_at(text, at + 1 + sign)) {
      whole = false;
      at = skip_digits(text, at + 1 + sign);
    }
  }
  number.size = at;
  auto digits = text.substr(0, at);
  if (!whole)
    read_real(digits, number);
  else if (negative)
    read_whole<int64_t>(digits, number);
  else
    read_whole<uint64_t>(digits, number);
  return number;
}

} // namespace luna::protocol
