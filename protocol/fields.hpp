#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "protocol/header_json.hpp"

namespace luna::protocol {

/// Bounds of a whole number, both included.
struct int_range {
  int64_t min = std::numeric_limits<int64_t>::min();
  int64_t max = std::numeric_limits<int64_t>::max();
};

/// Bounds of a real number, both included; it is finite in any case.
struct real_range {
  double min = std::numeric_limits<double>::lowest();
  double max = std::numeric_limits<double>::max();
};

/// A field's place in a list of words: `{{"center", crop::center}, {"none", crop::none}}`.
template <class T>
using word = std::pair<std::string_view, T>;

/// Reads the fields of a request, strictly.
///
/// The problem: a client must hear at once that it misspelt `tile_size` or sent "512" for 512, by
/// name, and the code that reads twenty fields should still read like a list. So a reader remembers
/// the first problem and goes on; values read after it are the fallbacks.
///
///     field_reader in{header};
///     auto common = read_common_fields(in, ...);
///     auto text = in.string("text");
///     auto layer = in.optional_integer("layer", {-12, -1});
///     if (auto ok = in.finish(); !ok)
///       return fail(ok);
///
/// Contract: every problem is `bad_request` with one sentence that names the field, what it must be
/// and what came. Each field that is asked for counts as known; finish() refuses any other and
/// names the nearest known one. For optional fields null means absent; where null has a meaning of
/// its own ask is_null() first. The object must outlive the reader. Not thread-safe.
class field_reader {
public:
  /// @param object the JSON object to read. @param path its name in messages, for instance
  /// "task_data"; empty for the header itself.
  explicit field_reader(const json& object, std::string path = {});

  field_reader(field_reader&&) = delete;

  // -- required ---
  std::string string(std::string_view name, size_t max_bytes = default_text);
  int64_t integer(std::string_view name, int_range range = {});
  double number(std::string_view name, real_range range = {});
  bool boolean(std::string_view name);

  // -- optional ---
  std::optional<std::string> optional_string(std::string_view name,
                                             size_t max_bytes = default_text);
  std::optional<int64_t> optional_integer(std::string_view name, int_range range = {});
  std::optional<double> optional_number(std::string_view name, real_range range = {});
  std::optional<bool> optional_boolean(std::string_view name);

  std::string string_or(std::string_view name, std::string fallback,
                        size_t max_bytes = default_text);
  int64_t integer_or(std::string_view name, int64_t fallback, int_range range = {});
  double number_or(std::string_view name, double fallback, real_range range = {});
  bool boolean_or(std::string_view name, bool fallback);

  /// One of some words; `fallback` if absent.
  template <class T, size_t N>
  T choice_or(std::string_view name, T fallback, const word<T> (&words)[N]) {
    std::string_view names[N];
    for (size_t i = 0; i < N; ++i)
      names[i] = words[i].first;
    auto i = choose(name, names);
    return i ? words[*i].second : fallback;
  }

  /// An array of strings, at most `max_count`; empty if absent.
  std::vector<std::string> strings_or_empty(std::string_view name, size_t max_count = 1000,
                                            size_t max_bytes = 1024);

  // -- structured ---
  /// A value of any kind, or nullptr if absent or null.
  const json* value(std::string_view name);

  /// An array or an object, or nullptr if absent, null or (a problem) something else.
  const json* array(std::string_view name, size_t max_count = SIZE_MAX);
  const json* object(std::string_view name);

  /// Whether the field stands there as null. Makes it known.
  bool is_null(std::string_view name);

  /// Whether the field stands there at all, null included. Makes it known.
  bool has(std::string_view name);

  // -- problems ---
  /// Records that a field is not what it must be: "'layer' must be <expectation>; it is 7".
  void refuse(std::string_view name, std::string_view expectation);

  /// Records a problem of another kind; the first one stays.
  void refuse(failure why);

  /// Whether nothing was wrong so far.
  bool ok() const noexcept { return !problem_; }

  /// The first problem, or else the first field that nobody asked for.
  result<void> finish();

  /// Names a field in messages: "task_data.images".
  std::string full_name(std::string_view name) const;

  static constexpr size_t default_text = 1 << 20;

private:
  const json* find(std::string_view name);
  const json* present(std::string_view name);
  const json* required(std::string_view name, std::string_view expectation);
  std::optional<size_t> choose(std::string_view name, std::span<const std::string_view> words);

  std::optional<std::string> to_text(std::string_view name, const json* x, size_t max_bytes);
  std::optional<int64_t> to_integer(std::string_view name, const json* x, int_range range);
  std::optional<double> to_number(std::string_view name, const json* x, real_range range);
  std::optional<bool> to_boolean(std::string_view name, const json* x);

  const json& object_;
  std::string path_;
  std::vector<std::string> known_;
  std::optional<failure> problem_;
};

/// How a value is named in a message: `"text"` (cut to 40 bytes), `12.5`, `an array of 3`.
std::string describe(const json& x);

} // namespace luna::protocol
