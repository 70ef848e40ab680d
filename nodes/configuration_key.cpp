#include "nodes/configuration_key.hpp"

#include <caf/config_value.hpp>
#include <caf/settings.hpp>

#include <algorithm>

#include "base/nearest.hpp"
#include "nodes/configuration_values.hpp"

namespace luna {

namespace {

using std::chrono::milliseconds;
using strings = std::vector<std::string>;

constexpr auto not_empty = "a text in quotes that is not empty";

/// A value as an error shows it.
std::string shown(const caf::config_value& value) {
  constexpr size_t max_length = 60;
  if (caf::holds_alternative<caf::config_value::list>(value))
    return "a list";
  if (caf::holds_alternative<caf::settings>(value))
    return "a section";
  if (const auto* duration = caf::get_if<caf::timespan>(&value))
    return format_duration(std::chrono::duration_cast<milliseconds>(*duration));
  auto text = caf::to_string(value);
  if (text.size() > max_length)
    text = text.substr(0, max_length) + "...";
  const bool quoted = caf::holds_alternative<std::string>(value) && !text.starts_with('"');
  return quoted ? '"' + text + '"' : text;
}

std::string quoted_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += '\\';
    if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else
      out += c;
  }
  return out + '"';
}

std::string quoted_list(const strings& texts) {
  std::string out;
  for (const auto& text : texts)
    out += (out.empty() ? "" : ", ") + quoted_text(text);
  return out;
}

/// The field becomes what `parse(value)` returns, or stays where that is nothing.
template <class T, class Parse, class Print>
configuration_value bound_value(std::string type, std::string range, T& field, std::string expected,
                                Parse parse, Print print) {
  const auto read = [&field, parse, expected = std::move(expected)](const caf::config_value& value,
                                                                    auto&, const auto& wrong) {
    if (auto found = parse(value))
      field = static_cast<T>(*found);
    else
      wrong("", unexpected(expected, value));
  };
  return {
    std::move(type), std::move(range), read, [&field, print] { return print(field); }, {}, {}};
}

/// The same for a value in quotes and `parse(text, base)`.
template <class T, class Parse, class Print>
configuration_value bound_text(std::string type, std::string range, T& field, std::string expected,
                               Parse parse, Print print) {
  const auto read = [&field, parse, expected = std::move(expected)](
                      const caf::config_value& value, const auto& base, const auto& wrong) {
    const auto* text = caf::get_if<std::string>(&value);
    if (text == nullptr)
      wrong("", unexpected("a text in quotes", value));
    else if (std::optional<T> found = parse(*text, base))
      field = *found;
    else
      wrong("", unexpected(expected, value));
  };
  return {
    std::move(type), std::move(range), read, [&field, print] { return print(field); }, {}, {}};
}

/// The same for a list of them.
template <class Parse>
configuration_value bound_list(std::string type, strings& field, Parse parse) {
  const auto read = [&field, parse](const caf::config_value& value, const auto& base,
                                    const auto& wrong) {
    const auto* list = caf::get_if<caf::config_value::list>(&value);
    if (list == nullptr)
      return wrong("", unexpected(R"(a list of texts like ["a", "b"])", value));
    field.clear();
    for (size_t i = 0; i < list->size(); ++i)
      if (const auto* text = caf::get_if<std::string>(&(*list)[i]); text && !text->empty())
        field.push_back(parse(*text, base));
      else
        wrong("[" + std::to_string(i) + "]", unexpected(not_empty, (*list)[i]));
  };
  return {std::move(type), "", read, [&field] { return "[" + quoted_list(field) + "]"; }, {}, {}};
}

} // namespace

std::string unexpected(const std::string& expected, const caf::config_value& found) {
  return "expected " + expected + ", found " + shown(found);
}

std::string print_keys(const configuration_keys& keys) {
  std::string out;
  for (const auto& key : keys) {
    const auto value = key.value.print();
    // At its default a key that is not built would only make the next reader warn.
    if (value.empty() || (!key.traits.built && value == key.initial))
      continue;
    out += key.name + (value.starts_with('{') ? " " : " = ") + value + "\n";
  }
  return out;
}

std::string print_block(char open, const std::string& lines, char close) {
  std::string out{open, '\n'};
  for (size_t at = 0; at < lines.size();) {
    const auto end = lines.find('\n', at) + 1;
    out += "  " + lines.substr(at, end - at);
    at = end;
  }
  return out + close;
}

// -- types of values ------------------------------------------------------------------------------

configuration_value text_value(std::string& field, bool (*check)(std::string_view),
                               const std::string& expected) {
  const auto parse = [check](const std::string& text, auto&) {
    return check == nullptr || check(text) ? std::optional{text} : std::nullopt;
  };
  return bound_text("text", expected, field, expected, parse, quoted_text);
}

configuration_value name_value(std::string& field) {
  auto value = text_value(
    field, is_plain_name,
    "a name of 1 to 64 letters, digits, dots, dashes or underscores, not with a dot first");
  value.type = "name";
  value.range = "";
  return value;
}

configuration_value choice_value(std::string& field, const strings& choices) {
  const auto expected = (choices.size() > 1 ? "one of " : "") + quoted_list(choices);
  const auto read = [&field, choices, expected](const caf::config_value& value, auto&,
                                                const auto& wrong) {
    const auto* text = caf::get_if<std::string>(&value);
    if (text != nullptr && std::find(choices.begin(), choices.end(), *text) != choices.end())
      field = *text;
    else
      wrong("", unexpected(expected, value) + (text ? nearest_hint(*text, choices) : ""));
  };
  return {"text", expected, read, [&field] { return quoted_text(field); }, {}, {}};
}

configuration_value path_value(std::string& field) {
  return bound_text("path", "", field, "", resolve_path, quoted_text);
}

configuration_value paths_value(strings& field) {
  return bound_list("list of paths", field, resolve_path);
}

configuration_value texts_value(strings& field) {
  return bound_list("list of texts", field, [](const std::string& text, auto&) { return text; });
}

configuration_value map_value(std::map<std::string, std::string>& field) {
  const auto read = [&field](const caf::config_value& value, auto&, const auto& wrong) {
    const auto* map = caf::get_if<caf::settings>(&value);
    if (map == nullptr)
      return wrong("", unexpected("a section like { short = \"long.safetensors\" }", value));
    for (const auto& [key, item] : *map)
      if (const auto* text = caf::get_if<std::string>(&item); text && !text->empty())
        field[key] = *text;
      else
        wrong("." + key, unexpected(not_empty, item));
  };
  const auto print = [&field] {
    std::string lines;
    for (const auto& [key, text] : field)
      lines += key + " = " + quoted_text(text) + "\n";
    return print_block('{', lines, '}');
  };
  return {"section of texts", "", read, print, {}, {}};
}

configuration_value address_value(std::optional<host_port>& field) {
  using address = std::optional<host_port>;
  return bound_text(
    "address", "", field, "\"HOST:PORT\" with a port from 0 to 65535",
    [](const std::string& text, auto&) -> std::optional<address> {
      const auto found = parse_host_port(text);
      return found || text.empty() ? std::make_optional<address>(found) : std::nullopt;
    },
    [](const address& x) { return x ? quoted_text(to_string(*x)) : ""; });
}

configuration_value mode_value(uint32_t& field, uint32_t least) {
  const auto range = "at least \"" + format_mode(least) + '"';
  return bound_text(
    "permissions", range, field,
    "permissions like \"" + format_mode(least | least >> 3) + "\", " + range,
    [least](const std::string& text, auto&) {
      const auto bits = parse_mode(text);
      return text.empty()                     ? std::optional{0u}
           : bits && (*bits & least) == least ? bits
                                              : std::nullopt;
    },
    [](uint32_t bits) { return quoted_text(bits == 0 ? "" : format_mode(bits)); });
}

configuration_value duration_value(milliseconds& field, milliseconds min, milliseconds max) {
  const auto range = format_duration(min) + " to " + format_duration(max);
  const auto parse = [min, max](const caf::config_value& value) {
    const auto* found = caf::get_if<caf::timespan>(&value);
    return found && *found >= min && *found <= max
           ? std::optional{std::chrono::duration_cast<milliseconds>(*found)}
           : std::nullopt;
  };
  return bound_value("duration", range, field, "a duration from " + range + " without quotes",
                     parse, format_duration);
}

template <class T>
configuration_value number_value(T& field, int64_t min, int64_t max) {
  const auto range = std::to_string(min) + " to " + std::to_string(max);
  const auto parse = [min, max](const caf::config_value& value) {
    const auto* found = caf::get_if<int64_t>(&value);
    return found && *found >= min && *found <= max ? std::optional{*found} : std::nullopt;
  };
  const auto print = [min](T x) { return static_cast<int64_t>(x) < min ? "" : std::to_string(x); };
  return bound_value("number", range, field, "a whole number from " + range, parse, print);
}

template configuration_value number_value(uint16_t&, int64_t, int64_t);
template configuration_value number_value(uint32_t&, int64_t, int64_t);
template configuration_value number_value(uint64_t&, int64_t, int64_t);

configuration_value size_value(uint64_t& field, uint64_t min) {
  const auto range = "at least " + format_size(min);
  const auto parse = [min](const caf::config_value& value) {
    std::optional<uint64_t> bytes;
    if (const auto* text = caf::get_if<std::string>(&value))
      bytes = parse_size(*text);
    else if (const auto* number = caf::get_if<int64_t>(&value); number && *number >= 0)
      bytes = static_cast<uint64_t>(*number);
    return bytes && *bytes >= min ? bytes : std::nullopt;
  };
  const auto print = [min](uint64_t x) { return x < min ? "" : quoted_text(format_size(x)); };
  return bound_value("size", range, field, "a size of " + range + " like \"20GiB\"", parse, print);
}

} // namespace luna
