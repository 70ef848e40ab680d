#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/io_result.hpp"

/// The one seam between luna's storage and a disk.
///
/// The problem: what a store promises about power cuts, full disks and failing fsyncs can only be
/// tested if a test can cause them at will, between any two operations. So nothing in `storage/`
/// talks to the operating system but through these three interfaces; `posix_file_system` is the
/// real one, `testing::faulty_file_system` the one that forgets what was not synced.
///
/// Contract: names are single components; a directory never follows a symbolic link below itself
/// (`is_link`), so a walk from a trusted root stays below it. Handles close when they are
/// destroyed.
///
/// Thread rule: the interfaces may be called from any thread; one file's writes must not run at the
/// same time as its truncate, allocate or sync.
namespace luna::storage {

enum class file_kind : uint8_t { regular, directory, link, other };

struct file_info {
  file_kind kind = file_kind::other;
  uint64_t inode = 0;
  uint64_t size = 0; ///< bytes

  /// Of an open file: which file system it is on, the same after a restart of the machine; 0 where
  /// that is not known.
  uint64_t device = 0;
};

/// Which folder a handle is of, as long as the machine runs.
struct folder_id {
  uint64_t device = 0;
  uint64_t inode = 0;
  friend bool operator==(const folder_id&, const folder_id&) = default;
};

/// Tells which names come to a folder and which go, so that a large one is listed once.
class folder_watch {
public:
  virtual ~folder_watch() = default;

  struct change {
    std::string name;
    bool added = false; ///< else removed
  };

  /// What happened since the last call, in its order; nothing once that is not known any more: then
  /// this watch is of no further use.
  virtual std::optional<std::vector<change>> changes() = 0;
};

/// How a file is opened. Never through a symbolic link.
enum class open_mode : uint8_t {
  read,       ///< must exist
  read_write, ///< must exist
  create,     ///< read and write, made if absent
  create_new, ///< read and write, `exists` if there
};

/// An open regular file.
class file {
public:
  virtual ~file() = default;

  /// Reads into `into`; fewer bytes only at the end of the file.
  virtual io_result<size_t> read_at(uint64_t offset, std::span<std::byte> into) = 0;

  /// Writes the pieces one after the other, all of them, as one gathered write.
  virtual io_result<void> write_at(uint64_t offset,
                                   std::span<const std::span<const std::byte>> pieces) = 0;

  /// Reserves blocks so that the file has at least `size` bytes (zeros where never written).
  virtual io_result<void> allocate(uint64_t size) = 0;

  virtual io_result<void> truncate(uint64_t size) = 0;

  /// Makes the contents durable, and of the metadata what reading them back needs (fdatasync).
  /// After a failure the state of everything unsynced is unknown: never call it again for it.
  virtual io_result<void> sync_data() = 0;

  /// Contents and metadata (fsync). The same rule after a failure.
  virtual io_result<void> sync() = 0;

  virtual io_result<file_info> info() = 0;

  /// Takes an exclusive advisory lock that lives as long as this handle; `locked` if another
  /// handle has it.
  virtual io_result<void> lock() = 0;

  /// Writes one piece.
  io_result<void> write_at(uint64_t offset, std::span<const std::byte> bytes) {
    return write_at(offset, std::span<const std::span<const std::byte>>{&bytes, 1});
  }
};

/// An open directory; all names are relative to it and are one component.
class directory {
public:
  virtual ~directory() = default;

  virtual io_result<std::shared_ptr<directory>> open_directory(std::string_view name) = 0;

  /// `exists` if there is anything of that name. Not durable before `sync` of this directory.
  virtual io_result<void> make_directory(std::string_view name) = 0;

  virtual io_result<std::shared_ptr<file>> open(std::string_view name, open_mode mode) = 0;

  /// Makes an empty file that has no name: it goes with its last handle, and with the process,
  /// unless `link_new` names it. `not_supported` where the file system has no such files.
  virtual io_result<std::shared_ptr<file>> create_unnamed() = 0;

  /// Gives a file from `create_unnamed` of this directory its name, atomically; `exists`, and
  /// nothing changed, if the name is taken.
  virtual io_result<void> link_new(file& unnamed, std::string_view name) = 0;

  /// What stands under a name (a link is a link); `not_found` if nothing.
  virtual io_result<file_info> info(std::string_view name) = 0;

  /// All names but "." and "..", in no order.
  virtual io_result<std::vector<std::string>> list() = 0;

  virtual io_result<folder_id> id() = 0;

  /// Watches the names from now on; null where changes by others may go unseen (a network file
  /// system) or the system has no watch left.
  virtual std::unique_ptr<folder_watch> watch() = 0;

  /// Renames atomically and replaces what is there.
  virtual io_result<void> rename(std::string_view from, std::string_view to) = 0;

  /// Renames atomically; `exists`, and nothing changed, if the new name is taken.
  virtual io_result<void> rename_new(std::string_view from, std::string_view to) = 0;

  /// Removes a file.
  virtual io_result<void> remove(std::string_view name) = 0;

  /// Makes the names in this directory durable.
  virtual io_result<void> sync() = 0;

  /// Whether names may be made here, as far as the system says without a try: `no_permission`,
  /// `read_only`.
  virtual io_result<void> check_writable() = 0;

  /// Bytes that may still be written to this file system.
  virtual io_result<uint64_t> free_bytes() = 0;

  /// The path it was opened by, for messages.
  virtual const std::string& path() const = 0;
};

class file_system {
public:
  virtual ~file_system() = default;

  /// Opens a directory by an absolute path that is trusted: links in it are followed.
  virtual io_result<std::shared_ptr<directory>> open_directory(const std::string& path) = 0;

  /// Makes a trusted absolute path, each new folder durable in its parent, and opens it.
  virtual io_result<std::shared_ptr<directory>> make_directories(const std::string& path) = 0;
};

/// A single component that may be used as a name: not empty, not "." or "..", no "/" and no NUL.
bool is_component(std::string_view name);

/// Opens a folder below `root` by a relative path with "/" (empty: root itself); `not_found` if a
/// part is absent, `is_link` if a part is a symbolic link, `bad_name` for "..", "." and empty
/// parts.
io_result<std::shared_ptr<directory>> open_below(std::shared_ptr<directory> root,
                                                 std::string_view relative);

/// The same, and makes what is absent: each new folder and its entry in the parent are durable
/// before it returns.
io_result<std::shared_ptr<directory>> make_below(std::shared_ptr<directory> root,
                                                 std::string_view relative);

/// Reads a whole file; `other` if it is larger than `limit`.
io_result<std::string> read_file(directory& folder, std::string_view name, uint64_t limit);

} // namespace luna::storage
