#include "nodes/starter_token.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "nodes/configuration.hpp"

namespace luna {

result<std::string> read_starter_token(const std::filesystem::path& file) {
  struct stat info{};
  if (::stat(file.c_str(), &info) == 0) {
    if ((info.st_mode & 077) != 0)
      return fail(ec::not_permitted, "others than its owner may use the token file " + file.string()
                                       + "; run: chmod 600 " + file.string());
    if (info.st_uid != ::geteuid())
      return fail(ec::not_permitted,
                  "the token file " + file.string() + " belongs to another user than the node's");
  }
  return read_secret(file, "the token file");
}

} // namespace luna
