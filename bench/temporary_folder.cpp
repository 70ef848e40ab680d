#include "bench/temporary_folder.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace luna::bench {

result<temporary_folder> temporary_folder::make(const std::string& below) {
  temporary_folder made;
  auto pattern = (std::filesystem::path{below} / "luna-bench-XXXXXX").string();
  if (!::mkdtemp(pattern.data()))
    return fail(ec::unavailable, "cannot make a folder in " + below + ": " + std::strerror(errno));
  made.path_ = std::move(pattern);
  return made;
}

temporary_folder::temporary_folder(temporary_folder&& other) noexcept
  : path_(std::exchange(other.path_, {})) {}

temporary_folder& temporary_folder::operator=(temporary_folder&& other) noexcept {
  std::swap(path_, other.path_);
  return *this;
}

temporary_folder::~temporary_folder() {
  std::error_code ignored;
  if (!path_.empty())
    std::filesystem::remove_all(path_, ignored);
}

} // namespace luna::bench
