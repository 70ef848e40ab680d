#include "storage/posix_error.hpp"

#include <cstring>

namespace luna::storage {

namespace {

io_kind kind_of(int code) {
  switch (code) {
  case ENOENT:
    return io_kind::not_found;
  case EEXIST:
  case ENOTEMPTY:
  case EISDIR:
    return io_kind::exists;
  case ENOSPC:
  case EDQUOT:
  case EFBIG:
    return io_kind::no_space;
  case EACCES:
  case EPERM:
    return io_kind::no_permission;
  case EROFS:
    return io_kind::read_only;
  case ELOOP:
    return io_kind::is_link;
  case ENOTDIR:
    return io_kind::not_directory;
  case ENAMETOOLONG:
    return io_kind::bad_name;
  case EWOULDBLOCK:
    return io_kind::locked;
  case EOPNOTSUPP:
    return io_kind::not_supported;
  case EIO:
  case ENXIO:
  case ENODEV:
  case ESTALE:
    return io_kind::broken;
  default:
    return io_kind::other;
  }
}

} // namespace

tl::unexpected<io_failure> refuse(const char* verb, const std::string& path, int code) {
  return io_fail(kind_of(code),
                 std::string{"cannot "} + verb + " " + path + ": " + std::strerror(code));
}

} // namespace luna::storage
