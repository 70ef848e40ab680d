#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "messages/result.hpp"
#include "storage/file_system.hpp"
#include "storage/job_types.hpp"

/// Giving one image its file, exactly once.
///
/// The problem: a save may be interrupted between any two operations, and afterwards the picture
/// must be there once, whole, under the promised name, or not at all. So the bytes go to a
/// temporary file in the target folder and are synced; a durable record says what is about to
/// appear (the owner of the store writes it); only then the file gets its name without replacing
/// another; then the folder is synced. After a crash the record tells whether the effect has
/// happened.
///
/// Order: write_temporary -> (store: publishing + commit) -> reveal -> (store: image_done).
/// After a restart with a publishing record: check_published first.
///
/// Thread rule: free functions for worker threads; nothing here touches the store.
namespace luna::storage {

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

/// Makes the folders below the root (durable), writes the bytes to the temporary file and syncs it.
/// A left-over temporary file is removed first; on failure nothing of it is left.
result<temporary_file> write_temporary(file_system& files, const publish_request& request,
                                       std::span<const std::byte> bytes);

/// Gives the file its name and makes it durable. Without `overwrite` a file that stands there is
/// never replaced: then the temporary file stays and the failure is `bad_request`.
result<void> reveal(const publish_request& request, const temporary_file& written);

/// Removes the temporary file; its absence is fine.
void discard_temporary(file_system& files, const publish_request& request);

/// Whether the effect of a publishing record has happened: the recorded inode, or a file with the
/// recorded size and digest, stands under the final name. If so, the name is made durable and the
/// temporary file removed; if not, the temporary file is removed and the image is to be written
/// again.
result<bool> check_published(file_system& files, const publish_request& request,
                             const file_identity& recorded);

/// All steps in a row on one thread. `record` makes the publishing record durable.
/// @param recorded the publishing record found after a restart, if there is one.
result<void> publish(file_system& files, const publish_request& request,
                     std::span<const std::byte> bytes, const std::optional<file_identity>& recorded,
                     const std::function<result<void>(const file_identity&)>& record);

} // namespace luna::storage
