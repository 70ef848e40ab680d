#pragma once

#include <cstdint>
#include <string>
#include <sys/stat.h>

#include "storage/file_system.hpp"

// INTERNAL to posix_file_system: what the system tells of files.

namespace luna::storage {

/// All but the device.
file_info info_of(const struct stat& x);

/// file_info::device. st_dev may be another one after a restart of the machine; this is not, where
/// there is one.
uint64_t device_of(int fd);

/// Where a process finds its open files by name: needed to name one that has none.
std::string path_of_open_file(int fd);

} // namespace luna::storage
