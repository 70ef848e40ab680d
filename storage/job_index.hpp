#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "storage/file_system.hpp"
#include "storage/job_log.hpp"
#include "storage/job_types.hpp"

namespace luna::storage {

/// One job as the index knows it.
struct index_row {
  std::string id;
  std::string key; ///< empty for none
  job_state state = job_state::queued;
  time_point created{};
  time_point ended{};
  log_place place; ///< of the record that the row reflects
};

/// The list of all jobs in SQLite: by state, by key, newest first.
///
/// The problem: finding a job among a week of them by its key, its state or its age must not mean
/// reading the log. Every row can be made again from the log, so the index is never synced for
/// durability's sake, and one that is damaged or absent is simply made anew.
///
/// SQLite's files go through the same seam as everything else (sqlite_vfs.hpp), in WAL mode with
/// exclusive locking. Thread rule: one owner.
class job_index {
public:
  struct opened;

  /// Opens `index.db` in the folder. A damaged file is removed and made anew; if the folder cannot
  /// be written, the index lives in memory.
  static result<opened> open(std::shared_ptr<directory> folder);

  /// An empty index that lives in memory, for when the one on disk cannot be used any more.
  static result<job_index> in_memory();

  job_index(job_index&&) noexcept;
  job_index& operator=(job_index&&) noexcept;
  ~job_index();

  /// Adds or replaces rows and removes others, in one transaction.
  result<void> update(const std::vector<index_row>& rows, const std::vector<std::string>& removed);

  /// The place that each row reflects.
  result<std::unordered_map<std::string, log_place>> places();

  result<std::optional<std::string>> find_key(const std::string& key);

  /// Ids, newest first (ids grow with time).
  result<std::vector<std::string>> list(std::optional<job_state> state, size_t limit);

  /// Ids of ended jobs that ended before the time, oldest first.
  /// @param failed_too false: only done and cancelled ones.
  result<std::vector<std::string>> ended_before(time_point time, size_t limit, bool failed_too);

private:
  struct impl;
  explicit job_index(std::unique_ptr<impl> x);

  std::unique_ptr<impl> impl_;
};

struct job_index::opened {
  job_index index;
  std::string rebuilt; ///< why the file could not be used as it was, or empty
  bool in_memory = false;
};

} // namespace luna::storage
