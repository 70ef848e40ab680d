#include "storage/file_system.hpp"

#include <optional>

namespace luna::storage {

namespace {

/// The components of a relative path; nothing if one of them is not allowed. Looked at as a whole
/// before the first step, so that a bad path has no effect.
std::optional<std::vector<std::string_view>> split(std::string_view relative) {
  std::vector<std::string_view> parts;
  if (relative.empty())
    return parts;
  while (true) {
    auto slash = relative.find('/');
    parts.push_back(relative.substr(0, slash));
    if (!is_component(parts.back()))
      return std::nullopt;
    if (slash == relative.npos)
      return parts;
    relative.remove_prefix(slash + 1);
  }
}

/// Walks down component by component; `step` opens (or makes) one of them.
template <class Step>
io_result<std::shared_ptr<directory>> walk(std::shared_ptr<directory> at, std::string_view relative,
                                           Step step) {
  auto parts = split(relative);
  if (!parts)
    return io_fail(io_kind::bad_name, "the folder \"" + std::string{relative} + "\" below "
                                        + at->path()
                                        + " is not allowed: no \"..\", \".\" or "
                                          "empty parts");
  for (auto part : *parts) {
    auto next = step(*at, part);
    if (!next)
      return io_fail(next);
    at = std::move(*next);
  }
  return at;
}

} // namespace

bool is_component(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= 255
      && name.find('/') == name.npos && name.find('\0') == name.npos;
}

io_result<std::shared_ptr<directory>> open_below(std::shared_ptr<directory> root,
                                                 std::string_view relative) {
  return walk(std::move(root), relative,
              [](directory& at, std::string_view part) { return at.open_directory(part); });
}

io_result<std::shared_ptr<directory>> make_below(std::shared_ptr<directory> root,
                                                 std::string_view relative) {
  auto step = [](directory& at, std::string_view part) -> io_result<std::shared_ptr<directory>> {
    auto there = at.open_directory(part);
    if (there || there.error().kind != io_kind::not_found)
      return there;
    auto made = at.make_directory(part);
    if (!made && made.error().kind != io_kind::exists)
      return io_fail(made);
    auto opened = at.open_directory(part);
    if (!opened)
      return opened;
    // Also when another thread made it: whoever writes below needs the entry to be durable.
    if (auto ok = (*opened)->sync(); !ok)
      return io_fail(ok);
    if (auto ok = at.sync(); !ok)
      return io_fail(ok);
    return opened;
  };
  return walk(std::move(root), relative, step);
}

io_result<std::string> read_file(directory& folder, std::string_view name, uint64_t limit) {
  auto handle = folder.open(name, open_mode::read);
  if (!handle)
    return io_fail(handle);
  auto info = (*handle)->info();
  if (!info)
    return io_fail(info);
  if (info->size > limit)
    return io_fail(io_kind::other, folder.path() + "/" + std::string{name} + " is larger than "
                                     + std::to_string(limit) + " bytes");
  std::string text(info->size, '\0');
  auto got = (*handle)->read_at(0, std::as_writable_bytes(std::span{text}));
  if (!got)
    return io_fail(got);
  text.resize(*got);
  return text;
}

} // namespace luna::storage
