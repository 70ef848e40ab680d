#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/file_system.hpp"

namespace luna::storage {

/// The name of the marker of a picture: its own with the extension ".luna", so ComfyUI's counter
/// counts it. Empty if that is too long for a name.
std::string marker_name(std::string_view filename);

/// Files that show others what is promised.
///
/// The problem: a name is promised when a job is accepted, and the picture is there later. Another
/// program, or another node, that looks into the folder in between sees nothing and takes the name.
/// So a small file stands beside the picture until it is there.
///
/// Contract: a marker appears whole and only if there is none of that name. It says which node made
/// it, and only that node removes it. Nothing depends on a marker: it prevents collisions, the
/// publisher survives them. So it is not synced, and a power cut may leave one empty: that is ours
/// if our log has promised its name.
///
/// Thread rule: any thread.
class promise_markers {
public:
  /// @param node the node's identity; empty: no markers are made, and none is ours.
  explicit promise_markers(std::string node) : node_(std::move(node)) {}

  enum class outcome : uint8_t {
    ours,       ///< made, or there already
    theirs,     ///< somebody else's stands there
    impossible, ///< the folder takes none
  };

  /// @param job the one it is made for, for people who look into it.
  outcome make(directory& folder, const std::string& marker, const std::string& job) const;

  /// The same for a name that is in our log.
  outcome make_again(directory& folder, const std::string& marker, const std::string& job) const;

  /// Whether this node made what stands there.
  bool is_ours(directory& folder, const std::string& marker) const;

  /// Whether what stands there is empty.
  bool is_empty(directory& folder, const std::string& marker) const;

  /// Removes it if it is ours; best effort.
  void remove(directory& folder, const std::string& marker) const;

private:
  std::string text_of(const std::string& job) const;

  std::string node_;
};

} // namespace luna::storage
