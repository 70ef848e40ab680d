#include "models/tokenizers/clip_cleanup.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "models/tokenizers/utf8.hpp"

namespace luna::models {

namespace {

constexpr char32_t dotted_i = U'\u0130'; ///< the one letter whose lower case is two
constexpr char32_t sigma = U'\u03a3';
constexpr char32_t final_sigma = U'\u03c2';
constexpr char32_t iota_below =
  U'\u0345'; ///< folds to a letter, so that no word of transformers 4 has it

utf8proc_category_t category_of(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

char32_t lower(char32_t c) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

std::u32string compose(std::string_view text) {
  utf8proc_uint8_t* mapped = nullptr;
  auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                           static_cast<utf8proc_ssize_t>(text.size()), &mapped,
                           static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  std::optional<std::u32string> points;
  if (size >= 0)
    points = decode_utf8({reinterpret_cast<const char*>(mapped), static_cast<size_t>(size)});
  std::free(mapped); // utf8proc's contract
  return points.value_or(std::u32string{});
}

// -- transformers 4 -------------------------------------------------------------------------------

/// What its BasicTokenizer drops. Emoji that are younger than utf8proc's tables are no unassigned
/// characters to the Python that is in use.
bool is_dropped(char32_t c) {
  switch (category_of(c)) {
  case UTF8PROC_CATEGORY_CC:
    return c != U'\t' && c != U'\n' && c != U'\r';
  case UTF8PROC_CATEGORY_CF:
  case UTF8PROC_CATEGORY_CS:
  case UTF8PROC_CATEGORY_CO:
    return true;
  case UTF8PROC_CATEGORY_CN:
    return c < 0x1f300 || c > 0x1faff;
  default:
    return c == 0xfffd;
  }
}

bool is_ideograph(char32_t c) {
  static constexpr std::pair<char32_t, char32_t> blocks[] = {
    {0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xf900, 0xfaff},   {0x20000, 0x2a6df},
    {0x2a700, 0x2b73f}, {0x2b740, 0x2b81f}, {0x2b820, 0x2ceaf}, {0x2f800, 0x2fa1f}};
  return std::any_of(std::begin(blocks), std::end(blocks),
                     [c](auto& block) { return c >= block.first && c <= block.second; });
}

std::u32string set_apart(const std::u32string& text) {
  std::u32string out;
  out.reserve(text.size());
  for (auto c : text) {
    if (is_dropped(c))
      continue;
    if (is_ideograph(c))
      (out += U' ') += c;
    out += is_ideograph(c) || is_space(c) ? U' ' : c;
  }
  return out;
}

bool is_cased(char32_t c) {
  auto category = category_of(c);
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL
      || category == UTF8PROC_CATEGORY_LT;
}

/// Characters that do not end a word for the rule of the final sigma.
bool is_case_ignorable(char32_t c) {
  switch (category_of(c)) {
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_ME:
  case UTF8PROC_CATEGORY_CF:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_SK:
    return true;
  default:
    return std::u32string_view{U"'.:\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027"}.find(c)
        != std::u32string_view::npos;
  }
}

/// Whether the sigma at `at` ends a word.
bool is_final(const std::u32string& text, size_t at) {
  auto before = at;
  while (before > 0 && is_case_ignorable(text[before - 1]))
    --before;
  if (before == 0 || !is_cased(text[before - 1]))
    return false;
  auto after = at + 1;
  while (after < text.size() && is_case_ignorable(text[after]))
    ++after;
  return after == text.size() || !is_cased(text[after]);
}

} // namespace

std::u32string clean_clip_text(std::string_view text, text_cleanup how) {
  auto old = how == text_cleanup::transformers4;
  std::u32string points;
  if (old)
    points = compose(encode_utf8(set_apart(decode_utf8(text).value_or(std::u32string{}))));
  else
    points = compose(text);
  std::u32string out;
  out.reserve(points.size());
  for (size_t i = 0; i < points.size(); ++i) {
    auto c = points[i];
    if (is_space(c) || (old && c == iota_below)) {
      if (out.empty() || out.back() != U' ')
        out += U' ';
    } else if (c == dotted_i) {
      out += U"i\u0307";
    } else if (old && c == sigma && is_final(points, i)) {
      out += final_sigma;
    } else {
      out += lower(c);
    }
  }
  return out;
}

} // namespace luna::models
