#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>

#include "storage/file_system.hpp"
#include "storage/target.hpp"

namespace luna::storage {

/// The target that is the folders of this machine.
///
/// An object is staged as a synced temporary file in its own folder; it is revealed by giving that
/// file its name without replacing another, then the folder is synced.
///
/// Contract: nothing is made or touched outside of the request's root: every step down is by handle
/// and follows no link. The root itself must exist and is trusted. An image counts as published if
/// the recorded inode, or a file with the recorded size and digest, stands under the final name.
///
/// Thread rule: that of target.
class publisher final : public target {
public:
  explicit publisher(std::shared_ptr<file_system> files) : files_(std::move(files)) {}

  /// Makes the folders below the root, durable up to the root, writes the bytes to the temporary
  /// file and syncs it.
  result<staged_object> write(const publish_request& request,
                              std::span<const std::byte> bytes) override;

  result<void> reveal(const publish_request& request, const staged_object& staged) override;

  void discard(const publish_request& request, const staged_object& staged) override;

  result<bool> is_published(const publish_request& request, const file_identity& recorded) override;

  /// Never: a full or broken disk is told to the client after the job's attempts, as it always was.
  bool is_outage(const failure&) const override { return false; }

private:
  result<std::shared_ptr<directory>> make_folder(const file_name& name);

  std::shared_ptr<file_system> files_;
  std::mutex mutex_;

  /// Folders whose entries up to the root are known to be durable. A folder that merely exists may
  /// have been made just before a crash.
  std::unordered_set<std::string> durable_folders_;
};

} // namespace luna::storage
