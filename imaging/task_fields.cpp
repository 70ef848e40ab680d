#include "imaging/task_fields.hpp"

#include <algorithm>
#include <utility>

#include "base/nearest.hpp"
#include "imaging/json_dumps.hpp"

namespace luna::imaging {

namespace {

/// A value as an error shows it: short, and never a whole workflow.
std::string shown(const nlohmann::ordered_json& value) {
  constexpr size_t longest = 60;
  auto text = value.is_structured() && value.size() > 4
              ? std::string{value.is_array() ? "a list" : "an object"}
              : json_dumps(value);
  if (text.size() > longest)
    text = text.substr(0, longest) + "...";
  return text;
}

/// The value as a whole number; 4.0 is one, as JSON does not tell it from 4.
std::optional<int64_t> whole_number(const nlohmann::ordered_json& value) {
  if (value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX)
    return std::nullopt;
  if (value.is_number_integer())
    return value.get<int64_t>();
  if (value.is_number_float()) {
    const auto x = value.get<double>();
    if (x >= -9e15 && x <= 9e15 && x == static_cast<double>(static_cast<int64_t>(x)))
      return static_cast<int64_t>(x);
  }
  return std::nullopt;
}

} // namespace

task_fields::task_fields(const nlohmann::ordered_json& object, std::string path)
  : object_(object), path_(std::move(path)) {
  if (!object_.is_object())
    problem_ = failure{ec::bad_request, path_ + " must be an object", 0, {}};
}

std::string task_fields::name_of(std::string_view key) const {
  return path_ + "." + std::string{key};
}

const nlohmann::ordered_json* task_fields::find(std::string_view key) {
  known_.emplace_back(key);
  if (!object_.is_object())
    return nullptr;
  const auto at = object_.find(known_.back());
  return at == object_.end() || at->is_null() ? nullptr : &*at;
}

std::string task_fields::text(std::string_view key, std::string_view otherwise) {
  const auto* value = find(key);
  if (value != nullptr && value->is_string())
    return value->get<std::string>();
  if (value != nullptr)
    wrong(key, "a string");
  return std::string{otherwise};
}

bool task_fields::boolean(std::string_view key, bool otherwise) {
  const auto* value = find(key);
  if (value != nullptr && value->is_boolean())
    return value->get<bool>();
  if (value != nullptr)
    wrong(key, "true or false");
  return otherwise;
}

int64_t task_fields::integer(std::string_view key, int64_t otherwise, int64_t least, int64_t most) {
  const auto* value = find(key);
  if (value == nullptr)
    return otherwise;
  if (const auto number = whole_number(*value); number && *number >= least && *number <= most)
    return *number;
  wrong(key, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return otherwise;
}

double task_fields::number(std::string_view key, double otherwise, double least, double most) {
  const auto* value = find(key);
  if (value == nullptr)
    return otherwise;
  if (value->is_number()) {
    const auto x = value->get<double>();
    if (x >= least && x <= most)
      return x;
  }
  wrong(key, "a number from " + python_float_repr(least) + " to " + python_float_repr(most));
  return otherwise;
}

size_t task_fields::choice(std::string_view key, size_t otherwise,
                           const std::vector<std::string>& choices) {
  const auto* value = find(key);
  if (value == nullptr)
    return otherwise;
  std::string list;
  for (size_t i = 0; i < choices.size(); ++i) {
    if (value->is_string() && value->get_ref<const std::string&>() == choices[i])
      return i;
    list += (i == 0 ? "'" : i + 1 < choices.size() ? ", '" : " or '") + choices[i] + "'";
  }
  wrong(key, list);
  return otherwise;
}

void task_fields::wrong(std::string_view key, const std::string& expected) {
  const auto at = object_.find(std::string{key});
  const auto found = at == object_.end() ? "it is missing" : "it is " + shown(*at);
  wrong(failure{ec::bad_request, name_of(key) + " must be " + expected + ", " + found, 0, {}});
}

void task_fields::wrong(failure problem) {
  if (!problem_)
    problem_ = std::move(problem);
}

std::optional<failure> task_fields::problem() const {
  if (problem_)
    return problem_;
  for (const auto& [key, value] : object_.items())
    if (std::find(known_.begin(), known_.end(), key) == known_.end())
      return failure{
        ec::bad_request, name_of(key) + " is no known field" + did_you_mean(key, known_), 0, {}};
  return std::nullopt;
}

} // namespace luna::imaging
