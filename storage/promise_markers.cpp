#include "storage/promise_markers.hpp"

#include <span>

namespace luna::storage {

namespace {

constexpr std::string_view beginning = "luna promise 1\nnode ";
constexpr uint64_t max_marker_bytes = 1024;

/// Gives a new file with this text its name; `exists` if it is taken.
io_result<void> place_new(directory& folder, const std::string& name, std::string_view text,
                          const std::string& temporary) {
  auto bytes = std::as_bytes(std::span{text});
  auto handle = folder.create_unnamed();
  if (handle) {
    auto written = (*handle)->write_at(0, bytes);
    return written ? folder.link_new(**handle, name) : written;
  }
  if (handle.error().kind != io_kind::not_supported)
    return io_fail(handle);
  auto left = folder.remove(temporary); // by a crash
  if (!left && left.error().kind != io_kind::not_found)
    return left;
  handle = folder.open(temporary, open_mode::create_new);
  if (!handle)
    return io_fail(handle);
  auto ok = (*handle)->write_at(0, bytes);
  if (ok)
    ok = folder.rename_new(temporary, name);
  if (!ok)
    static_cast<void>(folder.remove(temporary));
  return ok;
}

} // namespace

std::string marker_name(std::string_view filename) {
  auto dot = filename.rfind('.');
  auto name = std::string{filename.substr(0, dot == 0 ? filename.npos : dot)} + ".luna";
  return is_component(name) ? name : std::string{};
}

std::string promise_markers::text_of(const std::string& job) const {
  return std::string{beginning} + node_ + "\njob " + job
       + "\nA picture of this name is on its way; this file goes when it is there.\n";
}

promise_markers::outcome promise_markers::make(directory& folder, const std::string& marker,
                                               const std::string& job) const {
  if (node_.empty() || marker.empty())
    return outcome::impossible;
  // Nobody else has this name: it is made of the node's identity, and one thread makes markers.
  auto made = place_new(folder, marker, text_of(job), ".luna-" + node_ + ".marker.tmp");
  if (made)
    return outcome::ours;
  if (made.error().kind != io_kind::exists)
    return outcome::impossible;
  return is_ours(folder, marker) ? outcome::ours : outcome::theirs;
}

promise_markers::outcome promise_markers::make_again(directory& folder, const std::string& marker,
                                                     const std::string& job) const {
  if (!node_.empty() && is_empty(folder, marker))
    static_cast<void>(folder.remove(marker));
  return make(folder, marker, job);
}

bool promise_markers::is_empty(directory& folder, const std::string& marker) const {
  if (marker.empty())
    return false;
  auto there = folder.info(marker);
  return there && there->kind == file_kind::regular && there->size == 0;
}

bool promise_markers::is_ours(directory& folder, const std::string& marker) const {
  if (node_.empty() || marker.empty())
    return false;
  auto text = read_file(folder, marker, max_marker_bytes);
  return text && text->starts_with(std::string{beginning} + node_ + "\n");
}

void promise_markers::remove(directory& folder, const std::string& marker) const {
  if (is_ours(folder, marker))
    static_cast<void>(folder.remove(marker));
}

} // namespace luna::storage
