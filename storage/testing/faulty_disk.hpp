#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "storage/testing/faulty_file_system.hpp"

// INTERNAL to the faulty disk: what it remembers.

namespace luna::storage::testing {

using bytes = std::vector<std::byte>;

struct node;
using node_ptr = std::shared_ptr<node>;

/// A change of a file that is not synced.
struct file_change {
  uint64_t offset = 0;
  bytes data; ///< empty: the size becomes `offset`
};

/// A change of a folder that is not synced: names removed, then one added.
struct name_change {
  std::string removed;
  std::string added;
  node_ptr target;
};

struct node {
  file_kind kind = file_kind::regular;
  uint64_t inode = 0;

  bytes now, durable; ///< contents of a file
  std::vector<file_change> file_changes;

  std::map<std::string, node_ptr> names, durable_names;
  std::vector<name_change> name_changes;

  std::weak_ptr<const void> locked_by;

  /// What the watches of a folder have not read yet.
  std::vector<std::weak_ptr<std::vector<folder_watch::change>>> watchers;

  void tell(const folder_watch::change& x);
};

void apply_change(bytes& contents, const file_change& x);
void apply_change(std::map<std::string, node_ptr>& names, const name_change& x);

/// Writes a part of what is not synced to the disk: each sector shows the file as it was after some
/// of the changes.
void keep_some(node& x, std::mt19937_64& random);

struct faulty_file_system::disk {
  mutable std::mutex mutex;
  node_ptr root = std::make_shared<node>();
  uint64_t next_inode = 2;
  uint64_t generation = 0; ///< handles of an earlier one are dead
  uint64_t operations = 0;
  uint64_t cut_at = 0; ///< 0: never
  bool cut = false;
  bool unnamed_files = true;
  bool watches = true;
  std::vector<std::weak_ptr<node>> unnamed; ///< files that have no name yet take space, too
  uint64_t capacity = UINT64_MAX;
  std::vector<fault> faults;
  std::vector<std::string> journal;

  disk();

  node_ptr make(file_kind kind);

  /// Before an operation: why it fails, if it does; `partial` says that it is a power cut, which
  /// may leave a part of it.
  std::optional<io_failure> begin(io_op op, const std::string& path, uint64_t at_generation,
                                  bool* partial = nullptr);

  /// Bytes of all files.
  uint64_t used() const;

  /// What stands under an absolute path; nothing if absent.
  node_ptr find(const std::string& path) const;

  /// The power came back: what is not synced is kept or gone.
  void settle(node& x, survival mode, std::mt19937_64& random);
};

std::shared_ptr<directory> open_faulty_directory(std::shared_ptr<faulty_file_system::disk> disk,
                                                 node_ptr what, std::string path);

} // namespace luna::storage::testing
