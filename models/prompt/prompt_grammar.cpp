#include "models/prompt/prompt_grammar.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <system_error>

#include "models/tokenizers/text_tokens.hpp"
#include "models/tokenizers/utf8.hpp"

namespace luna::models {

namespace {

// Bytes that no UTF-8 text has stand for escaped parentheses while the groups are found.
constexpr char literal_open = '\xfe';
constexpr char literal_close = '\xff';

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    auto next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (text[i] == '\\' && (next == '(' || next == ')')) {
      out += next == '(' ? literal_open : literal_close;
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string unescape(std::string_view text) {
  std::string out{text};
  for (auto& c : out)
    if (c == literal_open)
      c = '(';
    else if (c == literal_close)
      c = ')';
  return out;
}

/// Cuts a text into groups "(...)" and what stands between them. A closing parenthesis without a
/// partner leaves the count below zero, so what follows it is text until the count is made up:
/// "a) (b)" has no group.
std::vector<std::string_view> split_groups(std::string_view text) {
  std::vector<std::string_view> items;
  size_t begin = 0;
  int64_t depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(') {
      if (depth == 0 && i > begin)
        items.push_back(text.substr(begin, i - begin));
      if (depth == 0)
        begin = i;
      ++depth;
    } else if (text[i] == ')') {
      --depth;
      if (depth == 0) {
        items.push_back(text.substr(begin, i + 1 - begin));
        begin = i + 1;
      }
    }
  }
  if (begin < text.size())
    items.push_back(text.substr(begin));
  return items;
}

/// Text that is still to be read.
struct pending {
  std::string_view text;
  double weight;
  int depth;
  bool plain; ///< has no groups: a segment as it stands
};

result<void> bad_weight(const pending& x) {
  constexpr size_t most = 60; // bytes that are shown
  auto text = unescape(x.text);
  auto end = std::min(text.size(), most);
  while (end < text.size() && (text[end] & 0xc0) == 0x80)
    --end; // whole characters
  char weight[32];
  std::snprintf(weight, sizeof weight, "%g", x.weight);
  return fail(ec::bad_request, "the prompt gives '" + text.substr(0, end)
                                 + (end < text.size() ? "...'" : "'") + " the weight " + weight
                                 + ", which is no finite number in f32: that ends at 3.4e38");
}

/// What an item of a text of this weight means. Also an unfinished group that happens to end in
/// ")" counts as one, as "((a)" does.
pending read_item(std::string_view item, const pending& parent) {
  if (item.size() < 2 || item.front() != '(' || item.back() != ')')
    return {item, parent.weight, parent.depth, true};
  auto inner = item.substr(1, item.size() - 2);
  pending group{inner, parent.weight * 1.1, parent.depth + 1, false};
  auto colon = inner.rfind(':');
  if (colon != std::string_view::npos && colon > 0)
    if (auto number = python_float(inner.substr(colon + 1))) {
      group.weight = *number;
      group.text = inner.substr(0, colon);
    }
  return group;
}

} // namespace

result<std::vector<prompt_segment>> parse_prompt(std::string_view text) {
  if (text.size() > max_prompt_bytes)
    return fail(ec::bad_request, "the prompt has " + std::to_string(text.size())
                                   + " bytes, at most " + std::to_string(max_prompt_bytes)
                                   + " are read");
  if (!decode_utf8(text))
    return fail(ec::bad_request, "the prompt is not well-formed UTF-8");
  auto escaped = escape(text);
  std::vector<prompt_segment> segments;
  std::vector<pending> stack{{escaped, 1.0, 0, false}};
  size_t work = 0;
  while (!stack.empty()) {
    auto next = stack.back();
    stack.pop_back();
    if (next.plain && !is_weight(next.weight))
      return fail(bad_weight(next));
    if (next.plain) {
      segments.push_back({unescape(next.text), next.weight});
      continue;
    }
    if (next.depth > max_prompt_depth)
      return fail(ec::bad_request, "the prompt nests parentheses deeper than "
                                     + std::to_string(max_prompt_depth) + " levels");
    work += next.text.size();
    if (work > max_prompt_work)
      return fail(ec::bad_request, "the prompt nests too much text in parentheses");
    auto items = split_groups(next.text);
    for (auto i = items.rbegin(); i != items.rend(); ++i)
      stack.push_back(read_item(*i, next));
  }
  return segments;
}

namespace {

/// Reads digits with single underscores between them, from `at` on. @returns whether any was there
/// and no underscore stands wrong.
bool take_digits(std::string_view text, size_t& at, std::string& out) {
  auto is_digit = [&](size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
  if (!is_digit(at))
    return false;
  while (is_digit(at) || (at < text.size() && text[at] == '_' && is_digit(at + 1)))
    if (auto c = text[at++]; c != '_')
      out += c;
  return true;
}

/// The value of a number that is spelled right. Locales do not matter to from_chars; only it gives
/// no value for what is too large or too small.
double value_of(const std::string& number) {
  double value = 0;
  auto end = number.data() + number.size();
  if (std::from_chars(number.data(), end, value).ec == std::errc::result_out_of_range)
    return std::strtod(number.c_str(), nullptr);
  return value;
}

/// ASCII from here on: white space at the ends is gone, digits of other scripts are translated. In
/// a text of ASCII alone Python's float knows C's white space only.
std::optional<std::string> simplify(std::string_view text) {
  auto points = decode_utf8(text);
  if (!points)
    return std::nullopt;
  std::u32string_view view{*points};
  auto ascii = std::all_of(view.begin(), view.end(), [](char32_t c) { return c < 0x80; });
  auto blank = [ascii](char32_t c) { return ascii ? is_space(c) : is_python_space(c); };
  while (!view.empty() && blank(view.front()))
    view.remove_prefix(1);
  while (!view.empty() && blank(view.back()))
    view.remove_suffix(1);
  std::string out;
  for (auto c : view) {
    if (c > 0 && c < 0x80)
      out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    else if (auto digit = digit_value(c))
      out += static_cast<char>('0' + *digit);
    else
      return std::nullopt;
  }
  return out;
}

} // namespace

std::optional<double> python_float(std::string_view text) {
  // Nested groups ask again and again for the same long tails: these are no numbers.
  if (text.find_first_of("()") != std::string_view::npos)
    return std::nullopt;
  auto simple = simplify(text);
  if (!simple || simple->empty())
    return std::nullopt;
  std::string_view view{*simple};
  std::string number;
  if (view.front() == '-' || view.front() == '+') {
    if (view.front() == '-')
      number += '-';
    view.remove_prefix(1);
  }
  if (view == "inf" || view == "infinity" || view == "nan") {
    number += view;
    return value_of(number);
  }
  size_t at = 0;
  auto whole = take_digits(view, at, number);
  auto fraction = false;
  if (at < view.size() && view[at] == '.') {
    number += '.';
    ++at;
    fraction = take_digits(view, at, number);
  }
  if (!whole && !fraction)
    return std::nullopt;
  if (at < view.size() && view[at] == 'e') {
    number += 'e';
    ++at;
    if (at < view.size() && (view[at] == '+' || view[at] == '-'))
      number += view[at++];
    if (!take_digits(view, at, number))
      return std::nullopt;
  }
  if (at != view.size())
    return std::nullopt;
  return value_of(number);
}

} // namespace luna::models
