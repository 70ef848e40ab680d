#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "storage/file_system.hpp"

namespace luna::storage {

/// Keeps a second process out of a data folder.
///
/// The problem: two nodes that append to one log destroy it. The file `lock` in the folder is
/// locked (flock) as long as this object lives, also against another handle of the same process;
/// the lock goes with the process, whatever ends it. The file holds the holder's process id so that
/// the refusal can name it.
class data_lock {
public:
  /// @param process_id written into the file, for instance getpid().
  /// @returns `unavailable` naming folder and process id if another process holds it.
  static result<data_lock> take(directory& data, int64_t process_id);

private:
  explicit data_lock(std::shared_ptr<file> handle) : handle_(std::move(handle)) {}

  std::shared_ptr<file> handle_;
};

} // namespace luna::storage
