#include <array>
#include <charconv>
#include <cmath>

#include "protocol/header_json.hpp"
#include "protocol/json_text.hpp"

// dump_header(): json::dump() looks at every byte of every text on its own, which is most of the
// time that a small reply takes.

namespace luna::protocol {

namespace {

void write_text(const std::string& text, std::string& to) {
  auto* end = text.data() + text.size();
  if (end_of_plain_text(text.data(), end) == end) {
    to += '"';
    to += text;
    to += '"';
  } else {
    to += json(text).dump(-1, ' ', false, json::error_handler_t::replace);
  }
}

template <class T>
void write_number(T number, std::string& to) {
  std::array<char, 32> digits;
  auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  to.append(digits.data(), end);
}

void write(const json& x, std::string& to) {
  char separator = 0;
  auto separate = [&](char first) {
    to += separator == 0 ? first : ',';
    separator = ',';
  };
  switch (x.type()) {
  case json::value_t::object:
    for (auto& [key, value] : x.get_ref<const json::object_t&>()) {
      separate('{');
      write_text(key, to);
      to += ':';
      write(value, to);
    }
    to += separator == 0 ? "{}" : "}";
    return;
  case json::value_t::array:
    for (auto& value : x) {
      separate('[');
      write(value, to);
    }
    to += separator == 0 ? "[]" : "]";
    return;
  case json::value_t::string:
    return write_text(x.get_ref<const std::string&>(), to);
  case json::value_t::number_integer:
    return write_number(x.get<int64_t>(), to);
  case json::value_t::number_unsigned:
    return write_number(x.get<uint64_t>(), to);
  default:
    to += x.dump();
  }
}

} // namespace

std::string dump_header(const json& header) {
  std::string text;
  write(header, text);
  return text;
}

} // namespace luna::protocol
