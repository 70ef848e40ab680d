#include "storage/inotify_watch.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <linux/magic.h>
#include <string>
#include <sys/inotify.h>
#include <sys/statfs.h>

#include "base/descriptor.hpp"

namespace luna::storage {

namespace {

constexpr uint32_t names_come = IN_CREATE | IN_MOVED_TO;
constexpr uint32_t names_go = IN_DELETE | IN_MOVED_FROM;
constexpr uint32_t folder_goes = IN_DELETE_SELF | IN_MOVE_SELF;

/// Not in linux/magic.h.
constexpr auto xfs_magic = 0x58465342L;
constexpr auto zfs_magic = 0x2fc12fc1L;
constexpr auto bcachefs_magic = 0xca451a4eL;

/// Of these, every change goes through this kernel.
bool is_local(int folder) {
  struct statfs x;
  if (::fstatfs(folder, &x) != 0)
    return false;
  switch (static_cast<long>(x.f_type)) {
  case EXT4_SUPER_MAGIC: // and ext2, ext3
  case xfs_magic:
  case BTRFS_SUPER_MAGIC:
  case F2FS_SUPER_MAGIC:
  case zfs_magic:
  case bcachefs_magic:
  case TMPFS_MAGIC:
  case OVERLAYFS_SUPER_MAGIC:
    return true;
  default:
    return false;
  }
}

class inotify_watch final : public folder_watch {
public:
  explicit inotify_watch(descriptor fd) : fd_(std::move(fd)) {}

  std::optional<std::vector<change>> changes() override {
    std::vector<change> found;
    alignas(inotify_event) std::array<char, 65536> buffer;
    while (!lost_) {
      auto n = ::read(fd_.get(), buffer.data(), buffer.size());
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && errno == EAGAIN)
        return found;
      if (n <= 0)
        lost_ = true;
      for (ssize_t at = 0; at < n && !lost_;) {
        inotify_event x;
        std::memcpy(&x, buffer.data() + at, sizeof(x));
        if ((x.mask & (IN_Q_OVERFLOW | IN_IGNORED | IN_UNMOUNT | folder_goes)) != 0)
          lost_ = true;
        else if (x.len > 0)
          found.push_back({buffer.data() + at + sizeof(x), (x.mask & names_come) != 0});
        at += static_cast<ssize_t>(sizeof(x) + x.len);
      }
    }
    return std::nullopt;
  }

private:
  descriptor fd_;
  bool lost_ = false;
};

} // namespace

std::unique_ptr<folder_watch> watch_folder(int folder) {
  if (!is_local(folder))
    return nullptr;
  descriptor fd{::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
  if (fd.get() < 0)
    return nullptr;
  auto path = "/proc/self/fd/" + std::to_string(folder);
  if (::inotify_add_watch(fd.get(), path.c_str(), names_come | names_go | folder_goes | IN_ONLYDIR)
      < 0)
    return nullptr;
  return std::make_unique<inotify_watch>(std::move(fd));
}

} // namespace luna::storage
