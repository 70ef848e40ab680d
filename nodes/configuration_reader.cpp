#include "nodes/configuration_reader.hpp"

#include <algorithm>
#include <cstdlib>

#include "base/nearest.hpp"
#include "nodes/configuration_values.hpp"

namespace luna {

namespace {

using std::chrono::milliseconds;

/// A value as an error shows it.
std::string shown(const caf::config_value& value) {
  constexpr size_t longest = 60;
  if (caf::holds_alternative<caf::config_value::list>(value))
    return "a list";
  if (caf::holds_alternative<caf::settings>(value))
    return "a section";
  if (const auto* duration = caf::get_if<caf::timespan>(&value))
    return format_duration(std::chrono::duration_cast<milliseconds>(*duration));
  auto text = caf::to_string(value);
  if (text.size() > longest)
    text = text.substr(0, longest) + "...";
  const bool quoted = caf::holds_alternative<std::string>(value) && !text.starts_with('"');
  return quoted ? '"' + text + '"' : text;
}

std::string listed(const std::vector<std::string>& choices) {
  std::string out;
  for (const auto& choice : choices)
    out += (out.empty() ? "\"" : ", \"") + choice + '"';
  return choices.size() > 1 ? "one of " + out : out;
}

/// The candidate that is nearest, if it is near at all: a short key with two letters swapped is
/// already half another one.
std::string nearest_hint(std::string_view name, const std::vector<std::string>& candidates) {
  if (auto hint = did_you_mean(name, candidates); !hint.empty() || candidates.empty())
    return hint;
  const auto distance = [&](const std::string& x) { return edit_distance(name.substr(0, 64), x); };
  const auto& best =
    *std::min_element(candidates.begin(), candidates.end(),
                      [&](const auto& a, const auto& b) { return distance(a) < distance(b); });
  const auto longest = std::max(name.size(), best.size());
  return distance(best) <= longest / 2 ? ", did you mean '" + best + "'?" : "";
}

} // namespace

std::string resolve_path(const std::string& path, const std::filesystem::path& base) {
  if (path.empty())
    return path;
  const char* home = std::getenv("HOME");
  const bool at_home = home != nullptr && (path == "~" || path.starts_with("~/"));
  const auto full = at_home ? std::filesystem::path{home + path.substr(1)} : base / path;
  auto clean = full.lexically_normal().string();
  while (clean.size() > 1 && clean.back() == '/')
    clean.pop_back();
  return clean;
}

// -- problems -------------------------------------------------------------------------------------

void configuration_problems::add(const std::string& key, const std::string& text) {
  const int line = line_of(key);
  problems_.emplace(line, file_name_ + (line > 0 ? ":" + std::to_string(line) : "") + ": " + key
                            + ": " + text);
}

std::string configuration_problems::message() const {
  std::string out;
  for (const auto& [line, text] : problems_)
    out += (out.empty() ? "" : "\n") + text;
  return out;
}

// -- one section ----------------------------------------------------------------------------------

std::string section_reader::name_of(std::string_view key) const {
  return (path_.empty() ? "" : path_ + ".") + std::string{key};
}

const caf::config_value* section_reader::find(std::string_view key) {
  known_.emplace_back(key);
  const auto at = values_.find(known_.back());
  return at == values_.end() ? nullptr : &at->second;
}

void section_reader::unexpected(const std::string& path, const std::string& expected,
                                const caf::config_value& found) {
  problems_.add(path, "expected " + expected + ", found " + shown(found));
}

void section_reader::wrong(std::string_view key, const std::string& text) {
  problems_.add(name_of(key), text);
}

void section_reader::text(std::string_view key, std::string& out) {
  const auto* value = find(key);
  if (value == nullptr)
    return;
  if (const auto* found = caf::get_if<std::string>(value))
    out = *found;
  else
    unexpected(name_of(key), "a text in quotes", *value);
}

void section_reader::name(std::string_view key, std::string& out) {
  text(key, out);
  if (has(key) && caf::holds_alternative<std::string>(values_, std::string{key})
      && !is_plain_name(out))
    unexpected(
      name_of(key),
      "a name of 1 to 64 letters, digits, dots, dashes or underscores, not with a dot first",
      values_.find(std::string{key})->second);
}

void section_reader::file(std::string_view key, std::string& out) {
  text(key, out);
  if (has(key))
    out = resolve_path(out, base_);
}

void section_reader::texts(std::string_view key, std::vector<std::string>& out) {
  const auto* value = find(key);
  if (value == nullptr)
    return;
  const auto* list = caf::get_if<caf::config_value::list>(value);
  if (list == nullptr) {
    unexpected(name_of(key), "a list of texts like [\"a\", \"b\"]", *value);
    return;
  }
  out.clear();
  for (size_t i = 0; i < list->size(); ++i) {
    const auto path = name_of(key) + "[" + std::to_string(i) + "]";
    const auto* found = caf::get_if<std::string>(&(*list)[i]);
    if (found != nullptr && !found->empty())
      out.push_back(*found);
    else
      unexpected(path, "a text in quotes that is not empty", (*list)[i]);
  }
}

void section_reader::files(std::string_view key, std::vector<std::string>& out) {
  texts(key, out);
  if (has(key))
    for (auto& path : out)
      path = resolve_path(path, base_);
}

void section_reader::choice(std::string_view key, std::string& out,
                            const std::vector<std::string>& choices) {
  const auto* value = find(key);
  if (value == nullptr)
    return;
  const auto* found = caf::get_if<std::string>(value);
  if (found != nullptr && std::find(choices.begin(), choices.end(), *found) != choices.end())
    out = *found;
  else
    problems_.add(name_of(key), "expected " + listed(choices) + ", found " + shown(*value)
                                  + (found != nullptr ? nearest_hint(*found, choices) : ""));
}

void section_reader::size(std::string_view key, uint64_t& out, uint64_t least) {
  const auto* value = find(key);
  if (value == nullptr)
    return;
  std::optional<uint64_t> bytes;
  if (const auto* found = caf::get_if<std::string>(value))
    bytes = parse_size(*found);
  else if (const auto* number = caf::get_if<int64_t>(value); number != nullptr && *number >= 0)
    bytes = static_cast<uint64_t>(*number);
  if (bytes && *bytes >= least)
    out = *bytes;
  else
    unexpected(name_of(key), "a size of at least " + format_size(least) + " like \"20GiB\"",
               *value);
}

void section_reader::duration(std::string_view key, milliseconds& out, milliseconds least,
                              milliseconds most) {
  const auto* value = find(key);
  if (value == nullptr)
    return;
  const auto* found = caf::get_if<caf::timespan>(value);
  if (found != nullptr && *found >= least && *found <= most)
    out = std::chrono::duration_cast<milliseconds>(*found);
  else
    unexpected(name_of(key),
               "a duration from " + format_duration(least) + " to " + format_duration(most)
                 + " without quotes",
               *value);
}

void section_reader::endpoint(std::string_view key, std::optional<host_port>& out) {
  std::string found;
  text(key, found);
  if (found.empty())
    return;
  out = parse_host_port(found);
  if (!out)
    problems_.add(name_of(key), "expected \"HOST:PORT\" with a port from 0 to 65535, found \""
                                  + found.substr(0, 60) + '"');
}

void section_reader::mode(std::string_view key, uint32_t& out, uint32_t least) {
  std::string found;
  text(key, found);
  if (found.empty())
    return;
  auto bits = parse_mode(found);
  if (bits && (*bits & least) == least)
    out = *bits;
  else
    problems_.add(name_of(key), "expected permissions like \"" + format_mode(least | least >> 3)
                                  + "\", at least \"" + format_mode(least) + "\", found \""
                                  + found.substr(0, 60) + '"');
}

std::optional<int64_t> section_reader::integer(std::string_view key, int64_t least, int64_t most) {
  const auto* value = find(key);
  if (value == nullptr)
    return std::nullopt;
  const auto* found = caf::get_if<int64_t>(value);
  if (found != nullptr && *found >= least && *found <= most)
    return *found;
  unexpected(name_of(key),
             "a whole number from " + std::to_string(least) + " to " + std::to_string(most),
             *value);
  return std::nullopt;
}

void section_reader::text_map(std::string_view key, std::map<std::string, std::string>& out) {
  const auto* value = find(key);
  if (value == nullptr)
    return;
  const auto* map = caf::get_if<caf::settings>(value);
  if (map == nullptr) {
    unexpected(name_of(key), "a section like { short = \"long.safetensors\" }", *value);
    return;
  }
  for (const auto& [name, item] : *map) {
    const auto* text = caf::get_if<std::string>(&item);
    if (text != nullptr && !text->empty())
      out[name] = *text;
    else
      unexpected(name_of(key) + "." + name, "a text in quotes that is not empty", item);
  }
}

void section_reader::read_inner(const caf::config_value& value, const std::string& path,
                                const std::function<void(section_reader&)>& read) {
  const auto* map = caf::get_if<caf::settings>(&value);
  if (map == nullptr) {
    unexpected(path, "a section { ... }", value);
    return;
  }
  section_reader inner{*map, path, problems_, base_};
  read(inner);
  inner.finish();
}

void section_reader::section(std::string_view key,
                             const std::function<void(section_reader&)>& read) {
  if (const auto* value = find(key))
    read_inner(*value, name_of(key), read);
}

std::optional<size_t> section_reader::sections(std::string_view key,
                                               const std::function<void(section_reader&)>& read) {
  const auto* value = find(key);
  if (value == nullptr)
    return std::nullopt;
  const auto* list = caf::get_if<caf::config_value::list>(value);
  if (list == nullptr) {
    unexpected(name_of(key), "a list of sections [ { ... }, { ... } ]", *value);
    return 0;
  }
  for (size_t i = 0; i < list->size(); ++i)
    read_inner((*list)[i], name_of(key) + "[" + std::to_string(i) + "]", read);
  return list->size();
}

void section_reader::finish() {
  for (const auto& [key, value] : values_)
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
      const auto hint = nearest_hint(key, known_);
      std::string all;
      for (const auto& name : known_)
        all += (all.empty() ? "" : ", ") + name;
      problems_.add(name_of(key),
                    "unknown key" + (hint.empty() ? "; the keys here are " + all : hint));
    }
}

} // namespace luna
