#include "storage/s3/xml.hpp"

#include <array>
#include <charconv>
#include <utility>

namespace luna::storage::s3 {

namespace {

constexpr std::array<std::pair<std::string_view, char>, 5> entities{
  {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}}};

void append_utf8(std::string& to, uint32_t point) {
  if (point < 0x80) {
    to += static_cast<char>(point);
  } else if (point < 0x800) {
    to += static_cast<char>(0xc0 | point >> 6);
    to += static_cast<char>(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    to += static_cast<char>(0xe0 | point >> 12);
    to += static_cast<char>(0x80 | (point >> 6 & 0x3f));
    to += static_cast<char>(0x80 | (point & 0x3f));
  } else {
    to += static_cast<char>(0xf0 | point >> 18);
    to += static_cast<char>(0x80 | (point >> 12 & 0x3f));
    to += static_cast<char>(0x80 | (point >> 6 & 0x3f));
    to += static_cast<char>(0x80 | (point & 0x3f));
  }
}

/// What stands for an entity's name; false if it is none.
bool append_entity(std::string& to, std::string_view name) {
  for (auto& [known, c] : entities)
    if (name == known) {
      to += c;
      return true;
    }
  if (!name.starts_with('#'))
    return false;
  name.remove_prefix(1);
  auto is_hex = name.starts_with('x');
  if (is_hex)
    name.remove_prefix(1);
  uint32_t point = 0;
  auto end = name.data() + name.size();
  auto [at, error] = std::from_chars(name.data(), end, point, is_hex ? 16 : 10);
  if (error != std::errc{} || at != end || point > 0x10ffff)
    return false;
  append_utf8(to, point);
  return true;
}

/// "&#x0010FFFF;" and a little more: what has no end by then is no entity.
constexpr size_t longest_entity = 16;

std::string unescaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    auto ampersand = text.find('&');
    out += text.substr(0, ampersand);
    if (ampersand == text.npos)
      break;
    text.remove_prefix(ampersand);
    auto end = text.substr(0, longest_entity).find(';');
    if (end == text.npos || !append_entity(out, text.substr(1, end - 1))) {
      out += '&';
      text.remove_prefix(1);
    } else {
      text.remove_prefix(end + 1);
    }
  }
  return out;
}

} // namespace

std::vector<std::string> xml_elements(std::string_view xml, std::string_view name) {
  auto open = "<" + std::string{name} + ">";
  auto close = "</" + std::string{name} + ">";
  std::vector<std::string> found;
  for (size_t at = 0; (at = xml.find(open, at)) != xml.npos;) {
    at += open.size();
    auto end = xml.find(close, at);
    if (end == xml.npos)
      break;
    found.emplace_back(xml.substr(at, end - at));
    at = end + close.size();
  }
  return found;
}

std::optional<std::string> xml_text(std::string_view xml, std::string_view name) {
  auto found = xml_elements(xml, name);
  if (found.empty())
    return std::nullopt;
  return unescaped(found.front());
}

std::string xml_escaped(std::string_view text) {
  std::string out;
  for (auto c : text) {
    auto known = false;
    for (auto& [name, plain] : entities)
      if (c == plain) {
        (out += '&') += name;
        out += ';';
        known = true;
      }
    if (!known)
      out += c;
  }
  return out;
}

} // namespace luna::storage::s3
