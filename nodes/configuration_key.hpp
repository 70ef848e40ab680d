#pragma once

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

namespace caf {
class config_value;
} // namespace caf

namespace luna {

/// A field of the configuration as text: how a file says it, and what is expected there.
/// Thread rule of this file: one thread; the fields that values are bound to must outlive them.
struct configuration_value {
  /// Notes what is wrong with the value, or with the part of it that `suffix` names.
  using complaint = std::function<void(const std::string& suffix, const std::string& what)>;

  std::string type;  ///< "size", "duration", ...
  std::string range; ///< "1 to 64", "at least 64MiB", "\"text\", \"json\"", or ""

  /// Takes a value from the file; the field keeps its default where the value is wrong.
  /// @param base folder that relative paths count from.
  std::function<void(const caf::config_value&, const std::filesystem::path& base, const complaint&)>
    read;

  /// In the syntax of the file; "" where it says the same to leave the key out.
  std::function<std::string()> print;

  /// Of a section or a list of sections, in place of `read`: the keys of each that is there.
  std::function<std::vector<std::vector<struct configuration_key>>()> sections;
  std::function<void(size_t)> resize; ///< of a list: as many sections, each at its defaults
};

struct key_traits {
  std::string fallback = {}; ///< the default in words, where it follows from something else
  std::string required = {}; ///< what is asked for if the key is missing; "" = it may be left out
  bool built = true;         ///< false: read and checked, no effect yet
  bool agreed = false;       ///< must be the same on all nodes (agreement.hpp)
};

/// A row of the table of keys, bound to the field that it describes.
///
/// The problem: name, type, range, default and meaning of a key were told to the reader, the
/// printer and the page for users one by one, and drifted apart. So a row says them once
/// (configuration_table.cpp); reading, the unknown-key hints, `--print-config` and the keys in
/// docs/configuration.md come from it. A default stands where the field does, in configuration.hpp.
struct configuration_key {
  std::string name;
  configuration_value value;
  std::string help; ///< what it is, for users
  key_traits traits;
  std::string initial; ///< the default as the file would say it
};

using configuration_keys = std::vector<configuration_key>;

/// The whole table.
configuration_keys keys_of(cluster_configuration& all);

/// Keys in the syntax of the file, a line each, sections indented.
std::string print_keys(const configuration_keys& keys);

/// Lines in braces or brackets, indented.
std::string print_block(char open, const std::string& lines, char close);

/// "expected a number, found a list".
std::string unexpected(const std::string& expected, const caf::config_value& found);

// -- one function for each type of value ----------------------------------------------------------

/// Any text, or one that `check` accepts, which `expected` describes.
configuration_value text_value(std::string& field, bool (*check)(std::string_view) = nullptr,
                               const std::string& expected = "");
configuration_value name_value(std::string& field);
configuration_value choice_value(std::string& field, const std::vector<std::string>& choices);
configuration_value path_value(std::string& field);
configuration_value paths_value(std::vector<std::string>& field);
configuration_value texts_value(std::vector<std::string>& field);
configuration_value map_value(std::map<std::string, std::string>& field);
configuration_value address_value(std::optional<host_port>& field);

/// @param least the bits that must be set; 0, the default, is as the umask has it.
configuration_value mode_value(uint32_t& field, uint32_t least);
configuration_value duration_value(std::chrono::milliseconds& field, std::chrono::milliseconds min,
                                   std::chrono::milliseconds max);

/// Whole numbers: uint16_t, uint32_t and uint64_t. A field below `min` has not been set.
template <class T>
configuration_value number_value(T& field, int64_t min, int64_t max);

/// Bytes; the same about `min`.
configuration_value size_value(uint64_t& field, uint64_t min);

} // namespace luna
