#include "imaging/templates.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

namespace luna::imaging {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Reads `text` by a pattern in which each letter of YmdHMS stands for one digit of that field.
std::optional<timestamp> read_digits(std::string_view text, std::string_view pattern) {
  if (text.size() != pattern.size())
    return std::nullopt;
  timestamp t{0, 0, 0, 0, 0, 0};
  const auto field = [&t](char c) -> int* {
    switch (c) {
    case 'Y':
      return &t.year;
    case 'm':
      return &t.month;
    case 'd':
      return &t.day;
    case 'H':
      return &t.hour;
    case 'M':
      return &t.minute;
    case 'S':
      return &t.second;
    default:
      return nullptr;
    }
  };
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (int* value = field(pattern[i]); value != nullptr) {
      if (!is_digit(text[i]))
        return std::nullopt;
      *value = *value * 10 + (text[i] - '0');
    } else if (text[i] != pattern[i]) {
      return std::nullopt;
    }
  }
  return t;
}

bool exists(const timestamp& t) {
  using namespace std::chrono;
  const year_month_day date{year{t.year}, month{static_cast<unsigned>(t.month)},
                            day{static_cast<unsigned>(t.day)}};
  return t.year >= 1 && date.ok() && t.hour < 24 && t.minute < 60 && t.second < 60;
}

/// Whether this may follow the seconds of an ISO time: a fraction, then "Z" or an offset.
bool is_iso_tail(std::string_view tail) {
  if (!tail.empty() && (tail[0] == '.' || tail[0] == ',')) {
    const auto digits = std::find_if_not(tail.begin() + 1, tail.end(), is_digit);
    if (digits == tail.begin() + 1)
      return false;
    tail.remove_prefix(static_cast<size_t>(digits - tail.begin()));
  }
  if (tail.empty() || tail == "Z" || tail == "z")
    return true;
  if (tail[0] != '+' && tail[0] != '-')
    return false;
  tail.remove_prefix(1);
  return read_digits(tail, "HH:MM") || read_digits(tail, "HHMM") || read_digits(tail, "HH");
}

std::string padded(int value, int digits) {
  std::array<char, 16> text;
  std::snprintf(text.data(), text.size(), "%0*d", digits, value);
  return text.data();
}

void replace_all(std::string& text, std::string_view what, const std::string& with) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
}

struct variable {
  size_t length = 0; ///< of its text in the pattern, 0 if there is none
  std::string value;
};

constexpr std::string_view time_prefix = "%time:";
constexpr std::string_view date_prefix = "%date:";

/// ComfyUI's own date format: a letter once or twice, zeros in front to that length; yy and yyyy.
std::string format_date(std::string_view format, const timestamp& t) {
  std::string out;
  for (size_t i = 0; i < format.size();) {
    const char letter = format[i];
    const auto end = std::min(format.find_first_not_of(letter, i), format.size());
    const int run = static_cast<int>(end - i);
    const std::array<std::pair<char, int>, 5> parts = {
      {{'d', t.day}, {'M', t.month}, {'h', t.hour}, {'m', t.minute}, {'s', t.second}}};
    const auto part =
      std::find_if(parts.begin(), parts.end(), [&](const auto& x) { return x.first == letter; });
    int taken = 1;
    if (part != parts.end()) {
      taken = std::min(run, 2);
      out += padded(part->second, taken);
    } else if (letter == 'y' && run >= 2) {
      taken = std::min(run, 4);
      const auto year = padded(t.year, 4);
      out += taken == 4 ? year : taken == 2 ? year.substr(2) : std::string(3, 'y');
    } else {
      out += letter;
    }
    i += static_cast<size_t>(taken);
  }
  return out;
}

/// The variable without a format that starts at the beginning of `rest`.
variable plain_variable(std::string_view rest, const template_values& values) {
  const auto model = split_model_name(values.model_name);
  const auto& t = values.time;
  const std::array<std::pair<std::string_view, std::string>, 13> known = {{
    {"%model_path%", model.path},
    {"%model_name%", model.name},
    {"%model_dir%", model.dir},
    {"%index%", std::to_string(values.index)},
    {"%width%", std::to_string(values.width)},
    {"%height%", std::to_string(values.height)},
    {"%batch_num%", std::to_string(values.batch)},
    {"%year%", padded(t.year, 4)},
    {"%month%", padded(t.month, 2)},
    {"%day%", padded(t.day, 2)},
    {"%hour%", padded(t.hour, 2)},
    {"%minute%", padded(t.minute, 2)},
    {"%second%", padded(t.second, 2)},
  }};
  for (const auto& [name, value] : known)
    if (rest.starts_with(name))
      return {name.size(), value};
  return {};
}

/// Whether a % that closes a %time: or %date: begins another variable and so must stay.
bool begins_variable(std::string_view rest, const template_values& values) {
  if (plain_variable(rest, values).length > 0)
    return true;
  return (rest.starts_with(time_prefix) || rest.starts_with(date_prefix))
      && rest.find('%', time_prefix.size()) != std::string::npos;
}

variable time_variable(std::string_view rest, const template_values& values) {
  static_assert(time_prefix.size() == date_prefix.size());
  const bool is_time = rest.starts_with(time_prefix);
  if (!is_time && !rest.starts_with(date_prefix))
    return {};
  const auto close = rest.find('%', time_prefix.size());
  if (close == std::string_view::npos || close == time_prefix.size())
    return {};
  const auto format = rest.substr(time_prefix.size(), close - time_prefix.size());
  const bool shared = begins_variable(rest.substr(close), values);
  return {shared ? close : close + 1,
          is_time ? format_time(format, values.time) : format_date(format, values.time)};
}

} // namespace

std::string format_time(std::string_view format, const timestamp& t) {
  std::string out{format};
  replace_all(out, "YYYY", padded(t.year, 4));
  replace_all(out, "mm", padded(t.month, 2));
  replace_all(out, "dd", padded(t.day, 2));
  replace_all(out, "HH", padded(t.hour, 2));
  replace_all(out, "MM", padded(t.minute, 2));
  replace_all(out, "SS", padded(t.second, 2));
  return out;
}

timestamp local_timestamp(std::chrono::system_clock::time_point moment) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(moment);
  std::tm local{};
  localtime_r(&seconds, &local);
  return {local.tm_year + 1900, local.tm_mon + 1, local.tm_mday,
          local.tm_hour,        local.tm_min,     std::min(local.tm_sec, 59)};
}

std::optional<timestamp> parse_timestamp(std::string_view text) {
  auto found = read_digits(text, "YYYY_mm_dd_HHMMSS");
  constexpr size_t iso_length = 19;
  if (!found && text.size() >= iso_length && is_iso_tail(text.substr(iso_length))) {
    found = read_digits(text.substr(0, iso_length), "YYYY-mm-ddTHH:MM:SS");
    if (!found)
      found = read_digits(text.substr(0, iso_length), "YYYY-mm-dd HH:MM:SS");
  }
  return found && exists(*found) ? found : std::nullopt;
}

std::string to_string(const timestamp& moment) {
  return format_time("YYYY_mm_dd_HHMMSS", moment);
}

model_parts split_model_name(std::string_view model_name) {
  std::string path{model_name};
  std::replace(path.begin(), path.end(), '\\', '/');
  std::string lower = path;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  for (const std::string_view extension :
       {".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf"}) {
    if (lower.ends_with(extension)) {
      path.resize(path.size() - extension.size());
      break;
    }
  }
  if (path.empty())
    return {"", "UnknownModel", ""};
  const auto slash = path.rfind('/');
  if (slash == std::string::npos)
    return {path, path, ""};
  return {path, path.substr(slash + 1), path.substr(0, slash)};
}

std::string expand_template(std::string_view pattern, const template_values& values) {
  std::string out;
  for (size_t i = 0; i < pattern.size();) {
    const auto rest = pattern.substr(i);
    variable found;
    if (rest[0] == '%') {
      found = plain_variable(rest, values);
      if (found.length == 0)
        found = time_variable(rest, values);
    }
    if (found.length > 0) {
      out += found.value;
      i += found.length;
    } else {
      out += rest[0];
      ++i;
    }
  }
  std::replace(out.begin(), out.end(), '\\', '/');
  out.erase(out.find_last_not_of('/') + 1);
  return out;
}

} // namespace luna::imaging
