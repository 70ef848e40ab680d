#pragma once

#include <memory>

#include "storage/file_system.hpp"

namespace luna::storage {

/// Watches an open folder with inotify. @returns null on a file system whose other users this
/// machine does not hear of (NFS, SMB, FUSE), or when the system has no watch left.
std::unique_ptr<folder_watch> watch_folder(int folder);

} // namespace luna::storage
