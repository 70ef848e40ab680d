#include "nodes/private_file.hpp"

#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

namespace luna {

result<void> check_private_file(const std::string& path, const std::string& what) {
  auto file = what + " " + path;
  struct stat x{};
  if (::stat(path.c_str(), &x) != 0 || ::access(path.c_str(), R_OK) != 0)
    return fail(ec::not_permitted, file + " cannot be read: " + std::strerror(errno));
  if (!S_ISREG(x.st_mode))
    return fail(ec::not_permitted, file + " is no regular file");
  if ((x.st_mode & 027) != 0)
    return fail(ec::not_permitted, "others than its owner may use " + file + "; run: chmod 600 "
                                     + path
                                     + " (640 where clients of its "
                                       "group need it)");
  if (x.st_uid != ::geteuid() && x.st_uid != 0)
    return fail(ec::not_permitted, file + " belongs to another user than the node's or root");
  return {};
}

} // namespace luna
