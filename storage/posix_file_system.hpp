#pragma once

#include <cstdint>
#include <memory>

#include "storage/file_system.hpp"

namespace luna::storage {

/// The permissions of what is made. 0: as the umask of the process has it, like any other
/// program's; else exactly these.
struct file_modes {
  uint32_t file = 0;
  uint32_t folder = 0;
};

/// The machine's own file system: openat with O_NOFOLLOW, pwritev, fdatasync, renameat2, flock.
/// Where renameat2 cannot refuse to replace (some network file systems), `rename_new` is linkat and
/// unlinkat. Thread rule: stateless, share it freely.
std::shared_ptr<file_system> make_posix_file_system(file_modes modes = {});

} // namespace luna::storage
