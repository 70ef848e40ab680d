#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>

#include "messages/result.hpp"
#include "storage/file_system.hpp"
#include "storage/job_types.hpp"

namespace luna::storage {

/// Where one image goes.
struct publish_request {
  file_name name;
  std::string temporary; ///< a name in the same folder that belongs to this job and image alone
};

/// The temporary name of an image: ".luna-<job id>-<index>.tmp".
std::string temporary_name(std::string_view job_id, uint32_t image);

/// A complete, synced temporary file and its folder.
struct temporary_file {
  std::shared_ptr<directory> folder;
  file_identity identity;
};

/// Gives one image its file, exactly once.
///
/// The problem: a save may be interrupted between any two operations, and afterwards the picture
/// must be there once, whole, under the promised name, or not at all. So the bytes go to a
/// temporary file in the target folder and are synced; a durable record says what is about to
/// appear (the owner of the store writes it); only then the file gets its name without replacing
/// another; then the folder is synced. After a crash the record tells whether the effect has
/// happened.
///
/// Order: `write` -> (store: publishing + commit) -> `reveal` -> (store: image_done). An attempt
/// that finds a publishing record asks `is_published` first.
///
/// Contract: nothing is made or touched outside of the request's root: every step down is by handle
/// and follows no link. The root itself must exist and is trusted.
///
/// Thread rule: workers share one object and call it at the same time, for different images.
class publisher {
public:
  explicit publisher(std::shared_ptr<file_system> files) : files_(std::move(files)) {}

  /// Makes the folders below the root, durable up to the root, writes the bytes to the temporary
  /// file and syncs it. A left-over temporary file is removed first; after a failure there is none.
  result<temporary_file> write(const publish_request& request, std::span<const std::byte> bytes);

  /// Gives the file its name and makes it durable. Without `overwrite` a file that stands there is
  /// never replaced: `bad_request`, and the temporary file stays.
  result<void> reveal(const publish_request& request, const temporary_file& written);

  /// Removes the temporary file; its absence is fine.
  void discard(const publish_request& request);

  /// Whether the effect of a publishing record has happened: the recorded inode, or a file with the
  /// recorded size and digest, stands under the final name. If so, the name is made durable; if
  /// not, the image is to be written again. The temporary file is removed in both cases.
  result<bool> is_published(const publish_request& request, const file_identity& recorded);

  /// All steps in a row. `record` makes the publishing record durable.
  /// @param recorded the publishing record of an earlier attempt, if there is one.
  result<void> publish(const publish_request& request, std::span<const std::byte> bytes,
                       const std::optional<file_identity>& recorded,
                       const std::function<result<void>(const file_identity&)>& record);

private:
  result<std::shared_ptr<directory>> open_folder(const file_name& name);
  result<std::shared_ptr<directory>> make_folder(const file_name& name);

  std::shared_ptr<file_system> files_;
  std::mutex mutex_;

  /// Folders whose entries up to the root are known to be durable. A folder that merely exists may
  /// have been made just before a crash.
  std::unordered_set<std::string> durable_folders_;
};

} // namespace luna::storage
