#pragma once

#include <caf/config_value.hpp>
#include <caf/settings.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nodes/configuration.hpp"
#include "nodes/configuration_text.hpp"

namespace luna {

/// Collects what is wrong with a configuration file, each with its line.
class configuration_problems {
public:
  configuration_problems(std::string file_name, const configuration_text& text)
    : file_name_(std::move(file_name)), text_(text) {}

  /// @param key full path, e.g. "nodes[0].port". @param text what was expected.
  void add(const std::string& key, const std::string& text);

  int line_of(const std::string& key) const { return text_.line_of(key); }
  bool empty() const { return problems_.empty(); }

  /// A line for each problem, in the order of the file.
  std::string message() const;

private:
  std::string file_name_;
  const configuration_text& text_;
  std::multimap<int, std::string> problems_;
};

/// Reads the keys of one section: each call takes one key, leaves the default where the key is
/// absent, and notes a problem where the value does not fit. `finish` reports every key that nobody
/// asked for. Thread rule: one object for one thread; what it is made from must outlive it.
class section_reader {
public:
  section_reader(const caf::settings& values, std::string path, configuration_problems& problems,
                 const std::filesystem::path& base)
    : values_(values), path_(std::move(path)), problems_(problems), base_(base) {}

  bool has(std::string_view key) const { return values_.count(std::string{key}) > 0; }
  const std::string& path() const { return path_; }
  std::string name_of(std::string_view key) const;

  void text(std::string_view key, std::string& out);

  /// A name: is_plain_name().
  void name(std::string_view key, std::string& out);

  /// A file or folder: "~/" is the home folder, relative ones count from the file's folder, ""
  /// stays.
  void file(std::string_view key, std::string& out);
  void files(std::string_view key, std::vector<std::string>& out);

  void choice(std::string_view key, std::string& out, const std::vector<std::string>& choices);
  void texts(std::string_view key, std::vector<std::string>& out);
  void size(std::string_view key, uint64_t& out, uint64_t least);
  void duration(std::string_view key, std::chrono::milliseconds& out,
                std::chrono::milliseconds least, std::chrono::milliseconds most);
  void endpoint(std::string_view key, std::optional<host_port>& out);

  /// File permissions, "0644". @param least the bits that must be set.
  void mode(std::string_view key, uint32_t& out, uint32_t least);

  template <class T>
  void number(std::string_view key, T& out, int64_t least, int64_t most) {
    if (const auto found = integer(key, least, most))
      out = static_cast<T>(*found);
  }

  /// Every key of a section of texts, whatever its name.
  void text_map(std::string_view key, std::map<std::string, std::string>& out);

  /// Calls `read` with a reader of the section, if it is there, and finishes that.
  void section(std::string_view key, const std::function<void(section_reader&)>& read);

  /// The same for each section of a list. @returns how many there are; nothing without the key.
  std::optional<size_t> sections(std::string_view key,
                                 const std::function<void(section_reader&)>& read);

  /// Notes a problem with one of this section's keys.
  void wrong(std::string_view key, const std::string& text);

  void finish();

private:
  const caf::config_value* find(std::string_view key);
  void unexpected(const std::string& path, const std::string& expected,
                  const caf::config_value& found);
  std::optional<int64_t> integer(std::string_view key, int64_t least, int64_t most);
  void read_inner(const caf::config_value& value, const std::string& path,
                  const std::function<void(section_reader&)>& read);

  const caf::settings& values_;
  std::string path_;
  configuration_problems& problems_;
  const std::filesystem::path& base_;
  std::vector<std::string> known_;
};

/// A path as `section_reader::file` reads it.
std::string resolve_path(const std::string& path, const std::filesystem::path& base);

} // namespace luna
