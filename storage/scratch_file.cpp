#include "storage/scratch_file.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

namespace luna::storage {

namespace {

failure problem(const std::string& what, int error) {
  return {ec::unavailable, what + ": " + std::generic_category().message(error), 1000, {}};
}

std::string folder() {
  std::error_code ignored;
  auto path = std::filesystem::temp_directory_path(ignored);
  return path.empty() ? "/tmp" : path.string();
}

} // namespace

scratch_file::scratch_file(int handle)
  : handle_(new int{handle}, [](const int* x) {
      ::close(*x);
      delete x;
    }) {}

result<scratch_file> scratch_file::open() {
  auto path = folder() + "/luna-XXXXXX";
  int handle = ::mkostemp(path.data(), O_CLOEXEC);
  if (handle < 0)
    return tl::make_unexpected(problem("no temporary file in " + folder(), errno));
  ::unlink(path.c_str());
  return scratch_file{handle};
}

result<void> scratch_file::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    auto n = ::write(*handle_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return tl::make_unexpected(problem("no room for a temporary file in " + folder(), errno));
    bytes = bytes.subspan(static_cast<size_t>(n));
    size_ += static_cast<uint64_t>(n);
  }
  return {};
}

result<scratch_file::view> scratch_file::map() const {
  if (size_ == 0)
    return view{};
  auto size = static_cast<size_t>(size_);
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, *handle_, 0);
  if (memory == MAP_FAILED)
    return tl::make_unexpected(problem("a temporary file cannot be mapped", errno));
  std::shared_ptr<const void> owner{memory, [size](void* x) { ::munmap(x, size); }};
  return view{owner, {static_cast<const std::byte*>(memory), size}};
}

} // namespace luna::storage
