#pragma once

#include <memory>
#include <string>

#include "storage/file_system.hpp"

namespace luna::storage {

/// SQLite's files in a directory of the file-system seam.
///
/// The problem: SQLite talks to the operating system by itself; tests could then neither cut its
/// power nor fill its disk. This is a VFS (https://www.sqlite.org/vfs.html) that passes every file
/// operation to a `directory`. Locks are not needed: the data folder is locked as a whole, and the
/// database is opened with exclusive locking (which is also how WAL works without shared memory).
///
/// Contract: registered under `name()` as long as it lives; close its databases first.
/// Thread rule: one owner.
class sqlite_vfs {
public:
  explicit sqlite_vfs(std::shared_ptr<directory> folder);
  ~sqlite_vfs();
  sqlite_vfs(const sqlite_vfs&) = delete;
  sqlite_vfs& operator=(const sqlite_vfs&) = delete;

  const std::string& name() const;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace luna::storage
