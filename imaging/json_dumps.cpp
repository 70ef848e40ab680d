#include "imaging/json_dumps.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace luna::imaging {

namespace {

void append_escape(uint32_t unit, std::string& out) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4)
    out += digits[(unit >> shift) & 15];
}

/// The code point that starts at text[i]; moves i to its last byte. @pre valid UTF-8.
uint32_t code_point_at(std::string_view text, size_t& i) {
  const auto first = static_cast<uint8_t>(text[i]);
  const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  uint32_t point = first & (0x3fu >> more);
  for (int k = 0; k < more && i + 1 < text.size(); ++k)
    point = (point << 6) | (static_cast<uint8_t>(text[++i]) & 0x3f);
  return point;
}

void append_string(std::string_view text, std::string& out) {
  out += '"';
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<uint8_t>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\b') {
      out += "\\b";
    } else if (c == '\f') {
      out += "\\f";
    } else if (byte < 0x20 || byte == 0x7f) {
      append_escape(byte, out);
    } else if (byte < 0x80) {
      out += c;
    } else if (const auto point = code_point_at(text, i); point < 0x10000) {
      append_escape(point, out);
    } else {
      append_escape(0xd800 + ((point - 0x10000) >> 10), out);
      append_escape(0xdc00 + ((point - 0x10000) & 0x3ff), out);
    }
  }
  out += '"';
}

void append_value(const nlohmann::ordered_json& value, std::string& out) {
  using kind = nlohmann::ordered_json::value_t;
  const char* separator = "";
  switch (value.type()) {
  case kind::object:
    out += '{';
    for (const auto& [key, item] : value.items()) {
      out += separator;
      append_string(key, out);
      out += ": ";
      append_value(item, out);
      separator = ", ";
    }
    out += '}';
    break;
  case kind::array:
    out += '[';
    for (const auto& item : value) {
      out += separator;
      append_value(item, out);
      separator = ", ";
    }
    out += ']';
    break;
  case kind::string:
    append_string(value.get_ref<const std::string&>(), out);
    break;
  case kind::number_float:
    out += python_float_repr(value.get<double>());
    break;
  case kind::number_integer:
    out += std::to_string(value.get<int64_t>());
    break;
  case kind::number_unsigned:
    out += std::to_string(value.get<uint64_t>());
    break;
  case kind::boolean:
    out += value.get<bool>() ? "true" : "false";
    break;
  default:
    out += "null";
  }
}

} // namespace

std::string python_float_repr(double value) {
  // The shortest digits as d.ddde+XX; the layout is Python's: an exponent below -4 and from 16 on.
  std::array<char, 40> buffer;
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                          std::chars_format::scientific);
  std::string text{buffer.data(), error == std::errc{} ? end : buffer.data()};
  const auto e = text.find('e');
  const int exponent = std::atoi(text.c_str() + e + 1);
  if (exponent < -4 || exponent >= 16)
    return text;
  std::string digits;
  for (const char c : std::string_view{text}.substr(0, e))
    if (c != '-' && c != '.')
      digits += c;
  std::string out = text.front() == '-' ? "-" : "";
  if (exponent < 0)
    return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole)
    return out + digits + std::string(whole - digits.size(), '0') + ".0";
  return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string json_dumps(const nlohmann::ordered_json& value) {
  std::string out;
  append_value(value, out);
  return out;
}

} // namespace luna::imaging
