#include "imaging/text_keys.hpp"

#include <libdeflate.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>

#include "imaging/utf16.hpp"

namespace luna::imaging {

namespace {

constexpr size_t max_keyword = 79;

/// UTF-8 to Latin-1; nothing if a character is beyond it or the bytes are no UTF-8.
std::optional<std::string> latin1_of(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte < 0x80) {
      out += text[i];
    } else if ((byte == 0xc2 || byte == 0xc3) && i + 1 < text.size()
               && (static_cast<uint8_t>(text[i + 1]) & 0xc0) == 0x80) {
      ++i;
      out += static_cast<char>(((byte & 3) << 6) | (static_cast<uint8_t>(text[i]) & 0x3f));
    } else {
      return std::nullopt;
    }
  }
  return out;
}

std::string escape(char16_t unit) {
  std::array<char, 8> text;
  std::snprintf(text.data(), text.size(), "\\u%04x", static_cast<unsigned>(unit));
  return text.data();
}

} // namespace

bool is_png_keyword(std::string_view key) {
  const auto latin1 = latin1_of(key);
  if (!latin1 || latin1->empty() || latin1->size() > max_keyword)
    return false;
  return std::all_of(latin1->begin(), latin1->end(), [](char c) {
    const auto byte = static_cast<uint8_t>(c);
    return (byte >= 0x20 && byte < 0x7f) || byte >= 0xa1;
  });
}

std::string latin1_of_keyword(std::string_view key) {
  return latin1_of(key).value();
}

std::string png_keyword_of(std::string_view key) {
  if (is_png_keyword(key))
    return std::string{key};
  auto text = ascii_key(key);
  if (text.size() <= max_keyword)
    return text;
  std::array<char, 10> mark;
  std::snprintf(mark.data(), mark.size(), "~%08x", libdeflate_crc32(0, key.data(), key.size()));
  text.resize(max_keyword - 9);
  // Half an escape would read as another character.
  if (const auto cut = text.rfind('\\'); cut != std::string::npos && text.size() - cut < 6)
    text.resize(cut);
  return text + mark.data();
}

std::string ascii_key(std::string_view key) {
  std::string out;
  for (const auto unit : utf16_of(key)) {
    if (unit == u'\\')
      out += "\\\\";
    else if (unit >= 0x20 && unit < 0x7f)
      out += static_cast<char>(unit);
    else
      out += escape(unit);
  }
  return out;
}

std::string one_line_key(std::string_view key) {
  std::string out;
  for (const char c : key) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x20 || byte == 0x7f)
      out += escape(byte);
    else
      out += c;
  }
  return out;
}

} // namespace luna::imaging
