#include "nodes/configuration_values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "base/nearest.hpp"

namespace luna {

namespace {

/// Digits only, the whole text.
std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t number = 0;
  const auto* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end)
    return std::nullopt;
  return number;
}

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.'
      || c == '-' || c == '_';
}

constexpr std::array<std::pair<std::string_view, uint64_t>, 10> size_units = {{
  {"", 1},
  {"B", 1},
  {"KiB", uint64_t{1} << 10},
  {"MiB", uint64_t{1} << 20},
  {"GiB", uint64_t{1} << 30},
  {"TiB", uint64_t{1} << 40},
  {"KB", 1000},
  {"MB", 1000000},
  {"GB", 1000000000},
  {"TB", 1000000000000},
}};

} // namespace

std::optional<uint64_t> parse_size(std::string_view text) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_number(text.substr(0, digits));
  auto unit = text.substr(digits);
  if (unit.size() > 1 && unit.front() == ' ')
    unit.remove_prefix(1);
  for (const auto& [name, factor] : size_units)
    if (number && unit == name && *number <= UINT64_MAX / factor)
      return *number * factor;
  return std::nullopt;
}

std::string format_size(uint64_t bytes) {
  for (const auto& [name, shift] :
       {std::pair{"TiB", 40}, std::pair{"GiB", 30}, std::pair{"MiB", 20}, std::pair{"KiB", 10}})
    if (bytes > 0 && bytes % (uint64_t{1} << shift) == 0)
      return std::to_string(bytes >> shift) + name;
  return std::to_string(bytes) + "B";
}

std::string format_duration(std::chrono::milliseconds duration) {
  constexpr int64_t second = 1000;
  constexpr int64_t hour = 3600 * second;
  const auto count = duration.count();
  if (count > 0 && count % hour == 0)
    return std::to_string(count / hour) + "h";
  if (count % second == 0)
    return std::to_string(count / second) + "s";
  return std::to_string(count) + "ms";
}

std::optional<uint32_t> parse_mode(std::string_view text) {
  uint32_t mode = 0;
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (text.size() != 4 || problem != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return mode;
}

std::string format_mode(uint32_t mode) {
  std::string text(4, '0');
  for (auto i = text.rbegin(); i != text.rend(); ++i, mode >>= 3)
    *i = static_cast<char>('0' + (mode & 7));
  return text;
}

std::optional<host_port> parse_host_port(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0)
    return std::nullopt;
  const auto port = parse_number(text.substr(colon + 1));
  auto host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed)
    host = host.substr(1, host.size() - 2);
  if (!port || *port > 65535 || !is_host(host)
      || (host.find(':') != std::string_view::npos && !bracketed))
    return std::nullopt;
  return host_port{std::string{host}, static_cast<uint16_t>(*port)};
}

std::string to_string(const host_port& endpoint) {
  const bool ipv6 = endpoint.host.find(':') != std::string::npos;
  return (ipv6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

bool is_loopback(std::string_view host) {
  if (host == "localhost" || host == "::1")
    return true;
  // Four numbers: "127.evil.example" is a name that anybody may point anywhere.
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos
      && std::count(host.begin(), host.end(), '.') == 3;
}

bool is_host(std::string_view text) {
  return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), [](char c) {
    return is_name_char(c) || c == ':' || c == '%';
  });
}

bool is_plain_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && !text.starts_with('.')
      && std::all_of(text.begin(), text.end(), is_name_char);
}

bool is_origin(std::string_view text) {
  auto is_plain = text.starts_with("http://");
  if (!is_plain && !text.starts_with("https://"))
    return false;
  text.remove_prefix(is_plain ? 7 : 8);
  while (text.ends_with('/'))
    text.remove_suffix(1);
  if (auto address = parse_host_port(text))
    return is_host(address->host);
  if (text.starts_with('[') && text.ends_with(']'))
    text = text.substr(1, text.size() - 2);
  return !text.empty() && is_host(text);
}

bool is_bucket_name(std::string_view text) {
  if (text.size() < 3 || text.size() > 63)
    return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  });
}

bool is_device_name(std::string_view text) {
  if (text == "cpu")
    return true;
  if (!text.starts_with("cuda:") || text.size() > 8)
    return false;
  const auto digits = text.substr(5);
  return parse_number(digits).has_value() && (digits == "0" || digits.front() != '0');
}

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

} // namespace luna
