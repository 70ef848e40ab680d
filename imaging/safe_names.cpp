#include "imaging/safe_names.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

namespace luna::imaging {

namespace {

constexpr std::string_view illegal_on_windows = "<>:\"|?*";

/// Whether Windows takes the name for a device: CON, NUL, COM1 ..., with any extension.
bool is_reserved(std::string_view name) {
  std::string base{name.substr(0, name.find('.'))};
  while (!base.empty() && base.back() == ' ')
    base.pop_back();
  std::transform(base.begin(), base.end(), base.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  constexpr std::array<std::string_view, 4> devices = {"CON", "PRN", "AUX", "NUL"};
  if (std::find(devices.begin(), devices.end(), base) != devices.end())
    return true;
  return base.size() == 4 && (base.starts_with("COM") || base.starts_with("LPT")) && base[3] >= '1'
      && base[3] <= '9';
}

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  std::string part;
  for (const char c : path) {
    if (c == '/' || c == '\\')
      parts.push_back(std::exchange(part, {}));
    else
      part += c;
  }
  parts.push_back(part);
  return parts;
}

/// Absolute here or on Windows.
bool is_absolute(std::string_view path) {
  const auto is_slash = [](char c) { return c == '/' || c == '\\'; };
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return (!path.empty() && is_slash(path[0]))
      || (path.size() > 2 && is_letter(path[0]) && path[1] == ':' && is_slash(path[2]));
}

std::string in_quotes(std::string_view text) {
  return "'" + std::string{text} + "'";
}

} // namespace

std::string safe_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool bad = byte < 0x20 || byte == 0x7f || illegal_on_windows.find(c) != std::string::npos;
    out += bad ? '_' : c;
  }
  while (!out.empty() && (out.back() == '.' || out.back() == ' '))
    out.pop_back();
  out.erase(0, out.find_first_not_of(' '));
  return is_reserved(out) ? "_" + out : out;
}

result<std::string> safe_relative_path(std::string_view path, std::string_view what) {
  if (is_absolute(path))
    return fail(ec::not_permitted, std::string{what} + " " + in_quotes(path)
                                     + " is absolute: give a path below the output folder");
  std::string out;
  for (const auto& part : split(path)) {
    if (part == "..")
      return fail(ec::not_permitted, std::string{what} + " " + in_quotes(path)
                                       + " holds '..': give a path below the output folder");
    const auto name = safe_name(part);
    if (name.empty())
      continue;
    if (name.size() > longest_name)
      return fail(ec::bad_request, std::string{what} + ": the name " + in_quotes(name) + " has "
                                     + std::to_string(name.size())
                                     + " bytes, file systems take 255: shorten it");
    out += (out.empty() ? "" : "/") + name;
  }
  return out;
}

result<std::string> confine(std::string_view path, const std::vector<std::string>& allowed,
                            std::string_view what) {
  namespace fs = std::filesystem;
  const auto normal = [](std::string_view text) {
    auto clean = fs::path{text}.lexically_normal().string();
    while (clean.size() > 1 && clean.back() == '/')
      clean.pop_back();
    return clean;
  };
  const auto wanted = normal(path);
  std::string list;
  const bool absolute = !path.empty() && path[0] == '/' && path.find('\0') == std::string::npos;
  for (const auto& folder : allowed) {
    const auto base = normal(folder);
    if (absolute && (wanted == base || base == "/" || wanted.starts_with(base + "/")))
      return wanted;
    list += (list.empty() ? "" : ", ") + base;
  }
  return fail(ec::not_permitted, std::string{what} + " " + in_quotes(path)
                                   + " is not under a folder that this node may " + "write to ("
                                   + (list.empty() ? "there is none" : list) + ")");
}

} // namespace luna::imaging
