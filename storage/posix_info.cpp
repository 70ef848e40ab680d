#include "storage/posix_info.hpp"

#include <cstring>
#include <sys/statfs.h>

namespace luna::storage {

file_info info_of(const struct stat& x) {
  auto kind = S_ISREG(x.st_mode) ? file_kind::regular
            : S_ISDIR(x.st_mode) ? file_kind::directory
            : S_ISLNK(x.st_mode) ? file_kind::link
                                 : file_kind::other;
  return {kind, static_cast<uint64_t>(x.st_ino), static_cast<uint64_t>(x.st_size), 0};
}

uint64_t device_of(int fd) {
  struct statfs x;
  uint64_t id = 0;
  static_assert(sizeof(x.f_fsid) == sizeof(id));
  if (::fstatfs(fd, &x) == 0)
    std::memcpy(&id, &x.f_fsid, sizeof(id));
  return id;
}

std::string path_of_open_file(int fd) {
  return "/proc/self/fd/" + std::to_string(fd);
}

} // namespace luna::storage
