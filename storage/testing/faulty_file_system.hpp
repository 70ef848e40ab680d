#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/file_system.hpp"

/// A disk in memory that keeps only what was synced, and fails when told to.
///
/// The problem: power cuts, full disks and failing fsyncs must be caused between any two
/// operations, the same in every run, also for tests that run as root. This model is as strict as
/// POSIX: file contents live after `sync`, names in a folder after `sync` of that folder, and of
/// what was not synced any part may survive, sector by sector. A file without a name is gone after
/// a power cut, however often it was synced, and when its handle goes. After a failed sync of a
/// file the data that it was for is gone from the disk's view though reads still show it, as on
/// Linux.
///
/// Thread rule: everything may be called from any thread.
namespace luna::storage::testing {

enum class io_op : uint8_t {
  open,
  create,
  make_directory,
  read,
  write,
  allocate,
  truncate,
  sync,
  sync_directory,
  rename,
  remove,
  list,
  link,
};

std::string_view to_string(io_op op);

/// What is left after the power went.
enum class survival : uint8_t {
  synced,     ///< exactly what was synced
  everything, ///< all that was written
  random,     ///< any part of what was not synced
};

/// An operation that fails.
struct fault {
  io_op op = io_op::write;
  std::string path; ///< a part of the path
  io_kind kind = io_kind::broken;
  uint32_t skip = 0;            ///< matching operations that still succeed
  uint32_t times = 0xffffffffu; ///< how often it fails
};

class faulty_file_system final : public file_system {
public:
  faulty_file_system();
  ~faulty_file_system() override;

  io_result<std::shared_ptr<directory>> open_directory(const std::string& path) override;
  io_result<std::shared_ptr<directory>> make_directories(const std::string& path) override;

  // -- the test's side ---------------------------------------------------------------------------

  /// Operations so far that change something or sync it.
  uint64_t operations() const;

  /// The power goes during operation number `at` (counted from 1): it may have happened in part,
  /// and this and everything after it fails, until `restart`.
  void cut_power_at(uint64_t at);
  bool power_is_cut() const;

  /// The machine starts again: handles from before are dead.
  void restart(survival mode, uint64_t seed = 0);

  /// Adds a failing operation.
  void inject(fault x);
  void clear_faults();

  /// Whether files without a name can be made; what exists already stays.
  void set_unnamed_files(bool possible);

  /// Whether folders can be watched; watches that exist end.
  void set_watches(bool possible);

  /// Space for file contents; `no_space` beyond.
  void set_capacity(uint64_t bytes);

  /// Puts a file there, durable, with its folders.
  void put(const std::string& path, std::string_view bytes);

  /// Puts a symbolic link there (nothing follows it).
  void put_link(const std::string& path);

  /// The bytes of a file as a reader sees them; nothing if absent.
  std::optional<std::string> contents(const std::string& path) const;

  /// The paths of all files below a folder, sorted.
  std::vector<std::string> files(const std::string& path = "/") const;

  /// What was done, one line an operation, for a failing test's message.
  std::vector<std::string> journal() const;

  /// INTERNAL.
  struct disk;

private:
  std::shared_ptr<disk> disk_;
};

} // namespace luna::storage::testing
