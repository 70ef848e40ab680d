#include "protocol/fields.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/nearest.hpp"

namespace luna::protocol {

namespace {

constexpr size_t quoted_bytes = 40;

std::string shortest(double x) {
  std::array<char, 32> text;
  auto end = std::to_chars(text.data(), text.data() + text.size(), x).ptr;
  return {text.data(), end};
}

std::string expected_integer(int_range range) {
  auto no_min = range.min == int_range{}.min;
  auto no_max = range.max == int_range{}.max;
  if (no_min && no_max)
    return "a whole number";
  if (no_max)
    return "a whole number of at least " + std::to_string(range.min);
  if (no_min)
    return "a whole number of at most " + std::to_string(range.max);
  return "a whole number from " + std::to_string(range.min) + " to " + std::to_string(range.max);
}

std::string expected_number(real_range range) {
  auto no_min = range.min == real_range{}.min;
  auto no_max = range.max == real_range{}.max;
  if (no_min && no_max)
    return "a finite number";
  if (no_max)
    return "a number of at least " + shortest(range.min);
  if (no_min)
    return "a number of at most " + shortest(range.max);
  return "a number from " + shortest(range.min) + " to " + shortest(range.max);
}

/// The first bytes of a text, without half a character at the end.
std::string_view cut(std::string_view text, size_t bytes) {
  if (text.size() <= bytes)
    return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80)
    --bytes;
  return text.substr(0, bytes);
}

std::string count_of(std::string_view what, size_t n) {
  return std::string{what} + " of " + std::to_string(n);
}

} // namespace

std::string describe(const json& x) {
  switch (x.type()) {
  case json::value_t::string: {
    auto& text = x.get_ref<const std::string&>();
    auto shown = cut(text, quoted_bytes);
    auto quoted = dump_header(json(shown));
    if (shown.size() < text.size())
      quoted += "... (" + std::to_string(text.size()) + " bytes)";
    return quoted;
  }
  case json::value_t::array:
    return count_of("an array", x.size());
  case json::value_t::object:
    return "an object";
  default:
    return dump_header(x);
  }
}

field_reader::field_reader(const json& object, std::string path)
  : object_(object), path_(std::move(path)) {
  if (!object_.is_object())
    refuse(failure{
      ec::bad_request, "'" + path_ + "' must be an object; it is " + describe(object_), 0, {}});
}

std::string field_reader::full_name(std::string_view name) const {
  auto shown = std::string{cut(name, 2 * quoted_bytes)};
  return path_.empty() ? shown : path_ + "." + shown;
}

// -- problems ---

void field_reader::refuse(failure why) {
  if (!problem_)
    problem_ = std::move(why);
}

void field_reader::refuse(std::string_view name, std::string_view expectation) {
  if (problem_)
    return;
  auto* x = object_.is_object() ? find(name) : nullptr;
  auto message = "'" + full_name(name) + "' must be " + std::string{expectation};
  message += x != nullptr ? "; it is " + describe(*x) : std::string{"; it is missing"};
  refuse(failure{ec::bad_request, std::move(message), 0, {}});
}

result<void> field_reader::finish() {
  if (!problem_ && object_.is_object()) {
    for (auto& [name, value] : object_.items()) {
      if (std::find(known_.begin(), known_.end(), name) != known_.end())
        continue;
      refuse(failure{ec::bad_request,
                     "'" + full_name(name) + "' is not a field of this request"
                       + did_you_mean(name, known_),
                     0,
                     {}});
      break;
    }
  }
  if (problem_)
    return tl::make_unexpected(*problem_);
  return {};
}

// -- looking ---

const json* field_reader::find(std::string_view name) {
  if (std::find(known_.begin(), known_.end(), name) == known_.end())
    known_.emplace_back(name);
  if (!object_.is_object())
    return nullptr;
  auto i = object_.find(name);
  return i == object_.end() ? nullptr : &*i;
}

const json* field_reader::present(std::string_view name) {
  auto* x = find(name);
  return x == nullptr || x->is_null() ? nullptr : x;
}

const json* field_reader::required(std::string_view name, std::string_view expectation) {
  auto* x = find(name);
  if (x == nullptr)
    refuse(name, expectation);
  return x;
}

bool field_reader::is_null(std::string_view name) {
  auto* x = find(name);
  return x != nullptr && x->is_null();
}

bool field_reader::has(std::string_view name) {
  return find(name) != nullptr;
}

const json* field_reader::value(std::string_view name) {
  return present(name);
}

const json* field_reader::array(std::string_view name, size_t max_count) {
  auto* x = present(name);
  if (x == nullptr || (x->is_array() && x->size() <= max_count))
    return x;
  refuse(name,
         max_count == SIZE_MAX ? "an array" : "an array of at most " + std::to_string(max_count));
  return nullptr;
}

const json* field_reader::object(std::string_view name) {
  auto* x = present(name);
  if (x == nullptr || x->is_object())
    return x;
  refuse(name, "an object");
  return nullptr;
}

// -- converting ---

std::optional<std::string> field_reader::to_text(std::string_view name, const json* x,
                                                 size_t max_bytes) {
  if (x == nullptr)
    return std::nullopt;
  if (!x->is_string()) {
    refuse(name, "a text");
    return std::nullopt;
  }
  auto& text = x->get_ref<const std::string&>();
  if (text.size() > max_bytes) {
    refuse(name, "a text of at most " + std::to_string(max_bytes) + " bytes");
    return std::nullopt;
  }
  return text;
}

std::optional<int64_t> field_reader::to_integer(std::string_view name, const json* x,
                                                int_range range) {
  if (x == nullptr)
    return std::nullopt;
  auto fits = x->is_number_integer()
           && (!x->is_number_unsigned() || x->get<uint64_t>() <= uint64_t{INT64_MAX});
  if (fits)
    if (auto n = x->get<int64_t>(); n >= range.min && n <= range.max)
      return n;
  refuse(name, expected_integer(range));
  return std::nullopt;
}

std::optional<double> field_reader::to_number(std::string_view name, const json* x,
                                              real_range range) {
  if (x == nullptr)
    return std::nullopt;
  if (x->is_number())
    if (auto n = x->get<double>(); std::isfinite(n) && n >= range.min && n <= range.max)
      return n;
  refuse(name, expected_number(range));
  return std::nullopt;
}

std::optional<bool> field_reader::to_boolean(std::string_view name, const json* x) {
  if (x == nullptr)
    return std::nullopt;
  if (x->is_boolean())
    return x->get<bool>();
  refuse(name, "true or false");
  return std::nullopt;
}

std::optional<size_t> field_reader::choose(std::string_view name,
                                           std::span<const std::string_view> words) {
  auto* x = present(name);
  if (x == nullptr)
    return std::nullopt;
  if (x->is_string())
    for (size_t i = 0; i < words.size(); ++i)
      if (x->get_ref<const std::string&>() == words[i])
        return i;
  std::string expectation = "one of";
  for (size_t i = 0; i < words.size(); ++i)
    expectation += (i > 0 ? ", \"" : " \"") + std::string{words[i]} + '"';
  refuse(name, expectation);
  return std::nullopt;
}

// -- typed fields ---

std::string field_reader::string(std::string_view name, size_t max_bytes) {
  return to_text(name, required(name, "a text"), max_bytes).value_or("");
}

int64_t field_reader::integer(std::string_view name, int_range range) {
  return to_integer(name, required(name, expected_integer(range)), range).value_or(0);
}

double field_reader::number(std::string_view name, real_range range) {
  return to_number(name, required(name, expected_number(range)), range).value_or(0);
}

bool field_reader::boolean(std::string_view name) {
  return to_boolean(name, required(name, "true or false")).value_or(false);
}

std::optional<std::string> field_reader::optional_string(std::string_view name, size_t max_bytes) {
  return to_text(name, present(name), max_bytes);
}

std::optional<int64_t> field_reader::optional_integer(std::string_view name, int_range range) {
  return to_integer(name, present(name), range);
}

std::optional<double> field_reader::optional_number(std::string_view name, real_range range) {
  return to_number(name, present(name), range);
}

std::optional<bool> field_reader::optional_boolean(std::string_view name) {
  return to_boolean(name, present(name));
}

std::string field_reader::string_or(std::string_view name, std::string fallback, size_t max_bytes) {
  return optional_string(name, max_bytes).value_or(std::move(fallback));
}

int64_t field_reader::integer_or(std::string_view name, int64_t fallback, int_range range) {
  return optional_integer(name, range).value_or(fallback);
}

double field_reader::number_or(std::string_view name, double fallback, real_range range) {
  return optional_number(name, range).value_or(fallback);
}

bool field_reader::boolean_or(std::string_view name, bool fallback) {
  return optional_boolean(name).value_or(fallback);
}

std::vector<std::string> field_reader::strings_or_empty(std::string_view name, size_t max_count,
                                                        size_t max_bytes) {
  std::vector<std::string> texts;
  auto* items = array(name, max_count);
  if (items == nullptr)
    return texts;
  for (size_t i = 0; i < items->size(); ++i) {
    auto& item = (*items)[i];
    if (!item.is_string() || item.get_ref<const std::string&>().size() > max_bytes) {
      refuse(failure{ec::bad_request,
                     "'" + full_name(name) + "[" + std::to_string(i)
                       + "]' must be a text of at most " + std::to_string(max_bytes)
                       + " bytes; it is " + describe(item),
                     0,
                     {}});
      return {};
    }
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

} // namespace luna::protocol
