#include <caf/actor_system_config.hpp>
#include <caf/settings.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include "nodes/configuration_key.hpp"
#include "nodes/configuration_text.hpp"
#include "nodes/configuration_values.hpp"

namespace luna {

namespace {

/// Reads the values of a file into the fields of the table's keys. What is wrong, and what has no
/// effect in this build, is kept by the line it stands on.
class reader {
public:
  reader(std::string file_name, const configuration_text& text, const std::filesystem::path& base)
    : file_name_(std::move(file_name)), text_(text), base_(base) {}

  void read(const caf::settings& values, const configuration_keys& keys, const std::string& path) {
    const auto prefix = path.empty() ? "" : path + ".";
    for (const auto& key : keys) {
      const auto at = values.find(key.name);
      if (at != values.end())
        read_key(at->second, key, prefix + key.name);
      else if (!key.traits.required.empty())
        add(prefix + key.name, "expected " + key.traits.required + ", it is missing");
    }
    find_unknown(values, keys, prefix);
  }

  /// @param key full path, e.g. "nodes[0].port".
  void add(const std::string& key, const std::string& text) {
    const int line = text_.line_of(key);
    problems_.emplace(line, file_name_ + (line > 0 ? ":" + std::to_string(line) : "") + ": " + key
                              + ": " + text);
  }

  void add_not_built(const std::string& key, const std::string& which = "") {
    const int line = text_.line_of(key);
    not_built_.emplace(line, key + which + " (line " + std::to_string(line) + ")");
  }

  /// In the order of the file.
  std::vector<std::string> problems() const { return in_order(problems_); }
  std::vector<std::string> not_built() const { return in_order(not_built_); }

private:
  using by_line = std::multimap<int, std::string>;

  static std::vector<std::string> in_order(const by_line& texts) {
    std::vector<std::string> out;
    for (const auto& [line, text] : texts)
      out.push_back(text);
    return out;
  }

  void read_key(const caf::config_value& value, const configuration_key& key,
                const std::string& path) {
    if (key.value.resize)
      return read_list(value, key, path);
    if (key.value.sections)
      return read_section(value, key.value.sections().front(), path);
    key.value.read(value, base_, [&](const std::string& suffix, const std::string& what) {
      add(path + suffix, what);
    });
    if (!key.traits.built && !key.value.print().empty())
      add_not_built(path);
  }

  void read_section(const caf::config_value& value, const configuration_keys& keys,
                    const std::string& path) {
    if (const auto* values = caf::get_if<caf::settings>(&value))
      read(*values, keys, path);
    else
      add(path, unexpected("a section { ... }", value));
  }

  void read_list(const caf::config_value& value, const configuration_key& key,
                 const std::string& path) {
    const auto* list = caf::get_if<caf::config_value::list>(&value);
    if (list == nullptr)
      return add(path, unexpected("a list of sections [ { ... }, { ... } ]", value));
    if (list->empty() && !key.traits.required.empty())
      add(path, "expected " + key.traits.required);
    key.value.resize(list->size());
    const auto sections = key.value.sections();
    for (size_t i = 0; i < sections.size(); ++i)
      read_section((*list)[i], sections[i], path + "[" + std::to_string(i) + "]");
  }

  void find_unknown(const caf::settings& values, const configuration_keys& keys,
                    const std::string& prefix) {
    std::vector<std::string> known;
    std::string list;
    for (const auto& key : keys) {
      known.push_back(key.name);
      list += (list.empty() ? "" : ", ") + key.name;
    }
    for (const auto& [name, value] : values)
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        const auto hint = nearest_hint(name, known);
        add(prefix + name, "unknown key" + (hint.empty() ? "; the keys here are " + list : hint));
      }
  }

  std::string file_name_;
  const configuration_text& text_;
  const std::filesystem::path& base_;
  by_line problems_;
  by_line not_built_;
};

bool is_built(const std::string& kind) {
  const auto& built = built_pool_kinds;
  return kind.empty() || std::find(built.begin(), built.end(), kind) != built.end();
}

/// CAF's parser over the scanned text.
result<caf::settings> parse_values(const configuration_text& text, const std::string& file_name) {
  std::istringstream in{text.clean};
  auto values = caf::actor_system_config::parse_config(in);
  if (!values)
    return fail(ec::bad_request, file_name + ": CAF's parser refuses it: "
                                   + caf::actor_system_config::render(values.error()));
  return std::move(*values);
}

} // namespace

result<parsed_configuration> parse_configuration(std::string_view text,
                                                 const std::string& file_name,
                                                 const std::filesystem::path& base) {
  const auto scanned = scan_configuration(text, file_name);
  if (!scanned)
    return fail(scanned);
  const auto values = parse_values(*scanned, file_name);
  if (!values)
    return fail(values);
  reader in{file_name, *scanned, base};
  parsed_configuration out;
  out.value.pools = default_pools();
  in.read(*values, keys_of(out.value), "");
  for (size_t i = 0; i < out.value.pools.size(); ++i)
    if (const auto& kind = out.value.pools[i].kind; !is_built(kind))
      in.add_not_built("pools[" + std::to_string(i) + "]", " of kind " + kind);
  complete(out.value);
  if (in.problems().empty())
    for (const auto& [key, what] : cross_check(out.value))
      in.add(key, what);
  std::string message;
  for (const auto& problem : in.problems())
    message += (message.empty() ? "" : "\n") + problem;
  if (!message.empty())
    return fail(ec::bad_request, message);
  out.not_built = in.not_built();
  return out;
}

result<parsed_configuration> read_configuration(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  if (!in)
    return fail(ec::bad_request,
                file.string() + ": cannot be read, check the path and its permissions");
  return parse_configuration(text, file.string(), std::filesystem::absolute(file).parent_path());
}

} // namespace luna
