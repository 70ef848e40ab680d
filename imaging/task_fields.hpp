#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace luna::imaging {

/// Reads the fields of one JSON object of a task and remembers the first thing that is wrong, so
/// that the caller can list the fields one after the other and look once at the end. A field that
/// is null counts as left out; one that nobody asked for is unknown.
///
/// Thread rule: one object for one thread; `object` must outlive it.
class task_fields {
public:
  /// @param path names the object in errors: "task_data", "images[0]".
  task_fields(const nlohmann::ordered_json& object, std::string path);

  /// The field's value, or nullptr if it is left out.
  const nlohmann::ordered_json* find(std::string_view key);

  std::string text(std::string_view key, std::string_view otherwise = "");
  bool boolean(std::string_view key, bool otherwise);
  int64_t integer(std::string_view key, int64_t otherwise, int64_t least, int64_t most);

  double number(std::string_view key, double otherwise, double least, double most);

  /// A text out of a list: its position.
  size_t choice(std::string_view key, size_t otherwise, const std::vector<std::string>& choices);

  /// Records what is wrong with a field, unless something was recorded before.
  void wrong(std::string_view key, const std::string& expected);
  void wrong(failure problem);

  /// What was wrong, unknown fields included.
  std::optional<failure> problem() const;

private:
  std::string name_of(std::string_view key) const;

  const nlohmann::ordered_json& object_;
  std::string path_;
  std::vector<std::string> known_;
  std::optional<failure> problem_;
};

} // namespace luna::imaging
