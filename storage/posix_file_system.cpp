#include "storage/posix_file_system.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>

#include "base/descriptor.hpp"
#include "storage/inotify_watch.hpp"
#include "storage/posix_error.hpp"
#include "storage/posix_info.hpp"

namespace luna::storage {

namespace {

class posix_file final : public file {
public:
  posix_file(descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  io_result<size_t> read_at(uint64_t offset, std::span<std::byte> into) override {
    size_t done = 0;
    while (done < into.size()) {
      auto n = ::pread(fd_.get(), into.data() + done, into.size() - done,
                       static_cast<off_t>(offset + done));
      if (n == 0)
        break;
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return refuse("read", path_);
      done += static_cast<size_t>(n);
    }
    return done;
  }

  io_result<void> write_at(uint64_t offset,
                           std::span<const std::span<const std::byte>> pieces) override {
    constexpr size_t most = 64; // far below IOV_MAX, and no allocation
    std::array<iovec, most> vectors;
    size_t piece = 0;
    size_t within = 0; // bytes of pieces[piece] that are written
    while (true) {
      size_t count = 0;
      size_t skip = within;
      for (auto i = piece; i < pieces.size() && count < most; ++i, skip = 0)
        if (pieces[i].size() > skip)
          vectors[count++] = {const_cast<std::byte*>(pieces[i].data()) + skip,
                              pieces[i].size() - skip};
      if (count == 0)
        return {};
      auto n =
        ::pwritev(fd_.get(), vectors.data(), static_cast<int>(count), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return refuse("write", path_);
      offset += static_cast<uint64_t>(n);
      for (auto left = static_cast<size_t>(n); left > 0;) {
        auto step = std::min(left, pieces[piece].size() - within);
        left -= step;
        within += step;
        if (within == pieces[piece].size()) {
          ++piece;
          within = 0;
        }
      }
    }
  }

  io_result<void> allocate(uint64_t size) override {
    int code = 0;
    do
      code = ::posix_fallocate(fd_.get(), 0, static_cast<off_t>(size));
    while (code == EINTR);
    if (code != 0)
      return refuse("reserve space for", path_, code);
    return {};
  }

  io_result<void> truncate(uint64_t size) override {
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0)
      return refuse("truncate", path_);
    return {};
  }

  io_result<void> sync_data() override {
    if (::fdatasync(fd_.get()) != 0)
      return refuse("sync", path_);
    return {};
  }

  io_result<void> sync() override {
    if (::fsync(fd_.get()) != 0)
      return refuse("sync", path_);
    return {};
  }

  io_result<file_info> info() override {
    struct stat x;
    if (::fstat(fd_.get(), &x) != 0)
      return refuse("look at", path_);
    auto found = info_of(x);
    found.device = device_of(fd_.get());
    return found;
  }

  io_result<void> lock() override {
    if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0)
      return refuse("lock", path_);
    return {};
  }

  int handle() const noexcept { return fd_.get(); }

private:
  descriptor fd_;
  std::string path_;
};

class posix_directory final : public directory {
public:
  posix_directory(descriptor fd, std::string path, file_modes modes)
    : fd_(std::move(fd)), path_(std::move(path)), modes_(modes) {}

  io_result<std::shared_ptr<directory>> open_directory(std::string_view name) override {
    if (auto ok = check(name); !ok)
      return io_fail(ok);
    auto path = below(name);
    auto fd = ::openat(fd_.get(), std::string{name}.c_str(),
                       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
      // With O_DIRECTORY the kernel says ENOTDIR for a link too: tell them apart.
      auto code = errno;
      auto there = code == ENOTDIR ? info(name) : io_fail(io_kind::other, {});
      if (there && there->kind == file_kind::link)
        code = ELOOP;
      return refuse("open the folder", path, code);
    }
    return std::make_shared<posix_directory>(descriptor{fd}, std::move(path), modes_);
  }

  io_result<void> make_directory(std::string_view name) override {
    if (auto ok = check(name); !ok)
      return ok;
    if (::mkdirat(fd_.get(), std::string{name}.c_str(), modes_.folder == 0 ? 0777 : 0700) != 0)
      return refuse("make the folder", below(name));
    if (modes_.folder != 0
        && ::fchmodat(fd_.get(), std::string{name}.c_str(), modes_.folder, 0) != 0)
      return refuse("set the permissions of", below(name));
    return {};
  }

  io_result<std::shared_ptr<file>> open(std::string_view name, open_mode mode) override {
    if (auto ok = check(name); !ok)
      return io_fail(ok);
    auto path = below(name);
    int flags = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK; // NONBLOCK: a FIFO must not hold us up
    switch (mode) {
    case open_mode::read:
      flags |= O_RDONLY;
      break;
    case open_mode::read_write:
      flags |= O_RDWR;
      break;
    case open_mode::create:
      flags |= O_RDWR | O_CREAT;
      break;
    case open_mode::create_new:
      flags |= O_RDWR | O_CREAT | O_EXCL;
      break;
    }
    descriptor fd{
      ::openat(fd_.get(), std::string{name}.c_str(), flags, modes_.file == 0 ? 0666 : 0600)};
    if (fd.get() < 0)
      return refuse("open", path);
    struct stat x;
    if (::fstat(fd.get(), &x) != 0)
      return refuse("look at", path);
    if (!S_ISREG(x.st_mode))
      return io_fail(io_kind::other, path + " is not a regular file");
    // What was there before keeps its permissions.
    auto is_new = (flags & O_CREAT) != 0 && x.st_size == 0;
    if (is_new && modes_.file != 0 && (x.st_mode & 07777) != modes_.file
        && ::fchmod(fd.get(), modes_.file) != 0)
      return refuse("set the permissions of", path);
    return std::make_shared<posix_file>(std::move(fd), std::move(path));
  }

  io_result<std::shared_ptr<file>> create_unnamed() override {
    auto path = below("(unnamed)");
    descriptor fd{
      ::openat(fd_.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, modes_.file == 0 ? 0666 : 0600)};
    // A kernel or a file system that knows no such files says one of these.
    if (fd.get() < 0 && (errno == EISDIR || errno == EINVAL || errno == ENOSYS))
      return refuse("make", path, EOPNOTSUPP);
    if (fd.get() < 0)
      return refuse("make", path);
    if (::access(path_of_open_file(fd.get()).c_str(), F_OK) != 0)
      return refuse("name", path, EOPNOTSUPP); // no /proc here
    if (modes_.file != 0 && ::fchmod(fd.get(), modes_.file) != 0)
      return refuse("set the permissions of", path);
    return std::make_shared<posix_file>(std::move(fd), std::move(path));
  }

  io_result<void> link_new(file& unnamed, std::string_view name) override {
    if (auto ok = check(name); !ok)
      return ok;
    auto source = path_of_open_file(static_cast<posix_file&>(unnamed).handle());
    if (::linkat(AT_FDCWD, source.c_str(), fd_.get(), std::string{name}.c_str(), AT_SYMLINK_FOLLOW)
        != 0)
      return refuse("give a file the name", below(name));
    return {};
  }

  io_result<folder_id> id() override {
    struct stat x;
    if (::fstat(fd_.get(), &x) != 0)
      return refuse("look at", path_);
    return folder_id{static_cast<uint64_t>(x.st_dev), static_cast<uint64_t>(x.st_ino)};
  }

  std::unique_ptr<folder_watch> watch() override { return watch_folder(fd_.get()); }

  io_result<file_info> info(std::string_view name) override {
    if (auto ok = check(name); !ok)
      return io_fail(ok);
    struct stat x;
    if (::fstatat(fd_.get(), std::string{name}.c_str(), &x, AT_SYMLINK_NOFOLLOW) != 0)
      return refuse("look at", below(name));
    return info_of(x);
  }

  io_result<std::vector<std::string>> list() override {
    // A descriptor of its own: the stream owns its position.
    descriptor again{::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (again.get() < 0)
      return refuse("list", path_);
    std::unique_ptr<DIR, int (*)(DIR*)> stream{::fdopendir(again.get()), ::closedir};
    if (!stream)
      return refuse("list", path_);
    again.release();
    std::vector<std::string> names;
    while (true) {
      errno = 0;
      auto entry = ::readdir(stream.get());
      if (!entry && errno != 0)
        return refuse("list", path_);
      if (!entry)
        return names;
      std::string_view name = entry->d_name;
      if (name != "." && name != "..")
        names.emplace_back(name);
    }
  }

  io_result<void> rename(std::string_view from, std::string_view to) override {
    if (auto ok = check(from, to); !ok)
      return ok;
    if (::renameat(fd_.get(), std::string{from}.c_str(), fd_.get(), std::string{to}.c_str()) != 0)
      return refuse("rename to", below(to));
    return {};
  }

  io_result<void> rename_new(std::string_view from, std::string_view to) override {
    if (auto ok = check(from, to); !ok)
      return ok;
    std::string source{from}, target{to};
    if (::renameat2(fd_.get(), source.c_str(), fd_.get(), target.c_str(), RENAME_NOREPLACE) == 0)
      return {};
    if (errno != EINVAL && errno != ENOSYS)
      return refuse("rename to", below(to));
    // This file system cannot refuse to replace; a hard link can.
    if (::linkat(fd_.get(), source.c_str(), fd_.get(), target.c_str(), 0) != 0)
      return refuse("link to", below(to));
    if (::unlinkat(fd_.get(), source.c_str(), 0) != 0)
      return refuse("remove", below(from));
    return {};
  }

  io_result<void> remove(std::string_view name) override {
    if (auto ok = check(name); !ok)
      return ok;
    if (::unlinkat(fd_.get(), std::string{name}.c_str(), 0) != 0)
      return refuse("remove", below(name));
    return {};
  }

  io_result<void> sync() override {
    if (::fsync(fd_.get()) == 0)
      return {};
    // Some network file systems have nothing to sync for a folder and say so.
    if (errno == EINVAL || errno == ENOTSUP)
      return {};
    return refuse("sync the folder", path_);
  }

  io_result<void> check_writable() override {
    if (::faccessat(fd_.get(), ".", W_OK | X_OK, AT_EACCESS) != 0)
      return refuse("write to the folder", path_);
    return {};
  }

  io_result<uint64_t> free_bytes() override {
    struct statvfs x;
    if (::fstatvfs(fd_.get(), &x) != 0)
      return refuse("ask for the free space of", path_);
    return uint64_t{x.f_bavail} * x.f_frsize;
  }

  const std::string& path() const override { return path_; }

private:
  std::string below(std::string_view name) const {
    return (path_ == "/" ? std::string{"/"} : path_ + "/").append(name);
  }

  io_result<void> check(std::string_view name) const {
    if (is_component(name))
      return {};
    return io_fail(io_kind::bad_name,
                   "\"" + std::string{name} + "\" in " + path_ + " is not a usable name");
  }

  io_result<void> check(std::string_view one, std::string_view other) const {
    auto ok = check(one);
    return ok ? check(other) : ok;
  }

  descriptor fd_;
  std::string path_;
  file_modes modes_;
};

class posix_file_system final : public file_system {
public:
  explicit posix_file_system(file_modes modes) : modes_(modes) {}

  io_result<std::shared_ptr<directory>> open_directory(const std::string& path) override {
    auto fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
      return refuse("open the folder", path);
    return std::make_shared<posix_directory>(descriptor{fd}, path, modes_);
  }

  io_result<std::shared_ptr<directory>> make_directories(const std::string& path) override {
    auto there = open_directory(path);
    if (there || there.error().kind != io_kind::not_found || path.empty() || path == "/")
      return there;
    auto slash = path.find_last_not_of('/');
    auto trimmed = path.substr(0, slash + 1);
    slash = trimmed.rfind('/');
    auto parent = make_directories(slash == trimmed.npos ? "."
                                   : slash == 0          ? "/"
                                                         : trimmed.substr(0, slash));
    if (!parent)
      return parent;
    auto name = trimmed.substr(slash == trimmed.npos ? 0 : slash + 1);
    return make_below(*parent, name);
  }

private:
  file_modes modes_;
};

} // namespace

std::shared_ptr<file_system> make_posix_file_system(file_modes modes) {
  return std::make_shared<posix_file_system>(modes);
}

} // namespace luna::storage
