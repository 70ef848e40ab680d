#include "storage/sqlite_vfs.hpp"

#include <sqlite3.h>

#include <atomic>
#include <cstring>
#include <new>
#include <span>

namespace luna::storage {

struct sqlite_vfs::impl {
  std::shared_ptr<directory> folder;
  std::string name;
  sqlite3_vfs vfs{};
};

namespace {

/// What SQLite allocates for us: its own head and our handle.
struct open_file {
  sqlite3_file head;
  std::shared_ptr<file> handle;
};

file& handle_of(sqlite3_file* x) {
  return *reinterpret_cast<open_file*>(x)->handle;
}

directory& folder_of(sqlite3_vfs* x) {
  return **static_cast<std::shared_ptr<directory>*>(x->pAppData);
}

int code_of(const io_failure& why, int otherwise) {
  switch (why.kind) {
  case io_kind::no_space:
    return SQLITE_FULL;
  case io_kind::read_only:
    return SQLITE_READONLY;
  case io_kind::no_permission:
    return SQLITE_PERM;
  default:
    return otherwise;
  }
}

template <class T>
int code_of(const io_result<T>& outcome, int otherwise) {
  return outcome ? SQLITE_OK : code_of(outcome.error(), otherwise);
}

// -- files ---------------------------------------------------------------------------------------

int close(sqlite3_file* x) {
  auto self = reinterpret_cast<open_file*>(x);
  self->handle.~shared_ptr();
  return SQLITE_OK;
}

int read(sqlite3_file* x, void* into, int amount, sqlite3_int64 offset) {
  std::span target{static_cast<std::byte*>(into), static_cast<size_t>(amount)};
  auto got = handle_of(x).read_at(static_cast<uint64_t>(offset), target);
  if (!got)
    return SQLITE_IOERR_READ;
  if (*got == target.size())
    return SQLITE_OK;
  // SQLite's rule: what is past the end reads as zeros and is said so.
  std::memset(target.data() + *got, 0, target.size() - *got);
  return SQLITE_IOERR_SHORT_READ;
}

int write(sqlite3_file* x, const void* from, int amount, sqlite3_int64 offset) {
  std::span source{static_cast<const std::byte*>(from), static_cast<size_t>(amount)};
  return code_of(handle_of(x).write_at(static_cast<uint64_t>(offset), source), SQLITE_IOERR_WRITE);
}

int truncate(sqlite3_file* x, sqlite3_int64 size) {
  return code_of(handle_of(x).truncate(static_cast<uint64_t>(size)), SQLITE_IOERR_TRUNCATE);
}

int sync(sqlite3_file* x, int) {
  return code_of(handle_of(x).sync(), SQLITE_IOERR_FSYNC);
}

int file_size(sqlite3_file* x, sqlite3_int64* size) {
  auto info = handle_of(x).info();
  if (info)
    *size = static_cast<sqlite3_int64>(info->size);
  return code_of(info, SQLITE_IOERR_FSTAT);
}

int lock(sqlite3_file*, int) {
  return SQLITE_OK;
}

int check_lock(sqlite3_file*, int* held) {
  *held = 0;
  return SQLITE_OK;
}

int control(sqlite3_file*, int, void*) {
  return SQLITE_NOTFOUND;
}

int sector_size(sqlite3_file*) {
  return 4096;
}

int characteristics(sqlite3_file*) {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/// Version 1: no shared memory, so WAL works with exclusive locking only.
const sqlite3_io_methods methods{.iVersion = 1,
                                 .xClose = close,
                                 .xRead = read,
                                 .xWrite = write,
                                 .xTruncate = truncate,
                                 .xSync = sync,
                                 .xFileSize = file_size,
                                 .xLock = lock,
                                 .xUnlock = lock,
                                 .xCheckReservedLock = check_lock,
                                 .xFileControl = control,
                                 .xSectorSize = sector_size,
                                 .xDeviceCharacteristics = characteristics,
                                 .xShmMap = nullptr,
                                 .xShmLock = nullptr,
                                 .xShmBarrier = nullptr,
                                 .xShmUnmap = nullptr,
                                 .xFetch = nullptr,
                                 .xUnfetch = nullptr};

// -- the folder ----------------------------------------------------------------------------------

int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* x, int flags, int* out_flags) {
  x->pMethods = nullptr; // nothing to close if we fail
  if (!name)             // temporary files are in memory (temp_store)
    return SQLITE_CANTOPEN;
  auto mode = (flags & SQLITE_OPEN_CREATE) != 0    ? open_mode::create
            : (flags & SQLITE_OPEN_READWRITE) != 0 ? open_mode::read_write
                                                   : open_mode::read;
  auto handle = folder_of(vfs).open(name, mode);
  if (!handle)
    return SQLITE_CANTOPEN;
  auto self = reinterpret_cast<open_file*>(x);
  new (&self->handle) std::shared_ptr<file>{std::move(*handle)};
  self->head.pMethods = &methods;
  if (out_flags)
    *out_flags = flags;
  return SQLITE_OK;
}

int remove(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  auto removed = folder_of(vfs).remove(name);
  if (!removed && removed.error().kind == io_kind::not_found)
    return SQLITE_IOERR_DELETE_NOENT;
  if (!removed)
    return SQLITE_IOERR_DELETE;
  return sync_folder != 0 ? code_of(folder_of(vfs).sync(), SQLITE_IOERR_DIR_FSYNC) : SQLITE_OK;
}

int access(sqlite3_vfs* vfs, const char* name, int, int* answer) {
  *answer = folder_of(vfs).info(name) ? 1 : 0;
  return SQLITE_OK;
}

int full_name(sqlite3_vfs*, const char* name, int size, char* out) {
  sqlite3_snprintf(size, out, "%s", name);
  return SQLITE_OK;
}

sqlite3_vfs* system_vfs() {
  return sqlite3_vfs_find(nullptr);
}

int randomness(sqlite3_vfs*, int size, char* out) {
  auto x = system_vfs();
  return x->xRandomness(x, size, out);
}

int sleep(sqlite3_vfs*, int microseconds) {
  return microseconds;
} // nobody else locks it

int current_time(sqlite3_vfs*, double* out) {
  auto x = system_vfs();
  return x->xCurrentTime(x, out);
}

int last_error(sqlite3_vfs*, int, char*) {
  return 0;
}

std::string next_name() {
  static std::atomic<uint64_t> count{0};
  return "luna-" + std::to_string(++count);
}

} // namespace

sqlite_vfs::sqlite_vfs(std::shared_ptr<directory> folder) : impl_(std::make_unique<impl>()) {
  impl_->folder = std::move(folder);
  impl_->name = next_name();
  auto& x = impl_->vfs;
  x.iVersion = 1;
  x.szOsFile = sizeof(open_file);
  x.mxPathname = 255;
  x.zName = impl_->name.c_str();
  x.pAppData = &impl_->folder;
  x.xOpen = open;
  x.xDelete = remove;
  x.xAccess = access;
  x.xFullPathname = full_name;
  x.xRandomness = randomness;
  x.xSleep = sleep;
  x.xCurrentTime = current_time;
  x.xGetLastError = last_error;
  sqlite3_vfs_register(&x, 0);
}

sqlite_vfs::~sqlite_vfs() {
  sqlite3_vfs_unregister(&impl_->vfs);
}

const std::string& sqlite_vfs::name() const {
  return impl_->name;
}

} // namespace luna::storage
