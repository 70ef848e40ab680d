#pragma once

#include <memory>

#include "storage/file_system.hpp"

namespace luna::storage {

/// The machine's own file system: openat with O_NOFOLLOW, pwritev, fdatasync, renameat2, flock.
/// Where renameat2 cannot refuse to replace (some network file systems), `rename_new` is linkat and
/// unlinkat. Thread rule: stateless, share it freely.
std::shared_ptr<file_system> make_posix_file_system();

} // namespace luna::storage
