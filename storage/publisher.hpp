#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>

#include "storage/file_system.hpp"
#include "storage/promise_markers.hpp"
#include "storage/target.hpp"

namespace luna::storage {

/// The target that is the folders of this machine.
///
/// An object is staged as a synced file without a name in its own folder; it is revealed by giving
/// that file its name without replacing another, then the folder is synced. Where a file system has
/// no files without a name, and to replace one, the file has a temporary name that no other node in
/// the world makes.
///
/// Contract: nothing is made or touched outside of the request's root: every step down is by handle
/// and follows no link. The root itself must exist and is trusted. An image counts as published if
/// the file under the final name has the recorded device, inode, size and digest. Nothing is
/// removed but what this node made.
///
/// Thread rule: that of target.
class publisher final : public target {
public:
  /// @param node this node's identity; empty: it makes no markers and removes none.
  explicit publisher(std::shared_ptr<file_system> files, std::string node = {})
    : files_(std::move(files)), node_(std::move(node)), markers_(node_) {}

  /// Makes the folders below the root, durable up to the root, writes the bytes to a file that
  /// nobody sees and syncs it.
  result<staged_object> write(const publish_request& request,
                              std::span<const std::byte> bytes) override;

  result<reveal_outcome> reveal(const publish_request& request,
                                const staged_object& staged) override;

  void discard(const publish_request& request, const staged_object& staged) override;

  result<bool> is_published(const publish_request& request, const file_identity& recorded) override;

  /// Never: a full or broken disk is told to the client after the job's attempts, as it always was.
  bool is_outage(const failure&) const override { return false; }

private:
  result<std::shared_ptr<directory>> make_folder(const file_name& name);

  std::string temporary_of(const publish_request& request) const;
  result<staged_object> stage(const publish_request& request, std::shared_ptr<directory> folder,
                              std::span<const std::byte> bytes);

  std::shared_ptr<file_system> files_;
  std::string node_;
  promise_markers markers_;
  std::atomic<bool> names_unnamed_ = true; ///< false once a file without a name could not get one
  std::mutex mutex_;

  /// Folders whose entries up to the root are known to be durable. A folder that merely exists may
  /// have been made just before a crash.
  std::unordered_set<std::string> durable_folders_;
};

} // namespace luna::storage
