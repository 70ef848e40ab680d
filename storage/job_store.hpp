#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "messages/result.hpp"
#include "storage/file_system.hpp"
#include "storage/job_index.hpp"
#include "storage/job_log.hpp"
#include "storage/job_records.hpp"
#include "storage/job_types.hpp"
#include "storage/name_reservations.hpp"

namespace luna::storage {

struct job_store_options {
  uint64_t spool_bytes = uint64_t{20} << 30; ///< pixels and tasks of jobs that are not written yet
  size_t max_jobs = 100000;                  ///< remembered in all
  uint32_t attempts = 5;                     ///< before a job is failed
  std::chrono::milliseconds keep = std::chrono::hours{168}; ///< how long ended jobs are remembered
  std::chrono::milliseconds first_backoff{1000};            ///< doubled with each attempt
  std::chrono::milliseconds max_backoff{60000};
  job_log_options log;

  /// Wall clock; unix time.
  std::function<time_point()> clock;
};

/// What one attempt needs. Plain data and thread-safe readers: it may go to a worker's thread.
struct job_work {
  struct image {
    uint32_t index = 0;
    file_name name;
    dtype type = dtype::u8;
    std::vector<int64_t> shape;

    /// Set if an earlier attempt came to its publishing record: ask `check_published` first.
    std::optional<file_identity> recorded;
  };

  std::string id;
  std::string task;
  std::string plan;
  uint32_t attempt = 1;
  time_point created{};
  std::vector<image> images; ///< those still to be written
  piece_reader pixels;       ///< one piece an image, by image::index

  /// The pixels of an image, read and checked. `internal` with its place if they are damaged.
  result<tensor_block> read_pixels(const image& which) const;
};

/// Counters for get_status.
struct store_counters {
  size_t queued = 0;
  size_t running = 0;
  size_t done = 0;
  size_t failed = 0;
  size_t cancelled = 0;
  uint64_t spool_bytes = 0; ///< held by jobs that are not written yet
  uint64_t spool_limit = 0;
  uint64_t disk_bytes = 0; ///< of the segments
  size_t max_jobs = 0;
  uint64_t damages = 0; ///< damaged records met since the start
  uint64_t commits = 0; ///< syncs that made something durable
  std::string problem;  ///< why the log cannot be written now, or empty
};

/// What the start found.
struct recovery_report {
  std::vector<log_damage> damages;
  size_t queued = 0; ///< jobs that go on
  size_t ended = 0;
  std::string index_rebuilt; ///< why, or empty
};

/// Save jobs from their acceptance to their being forgotten.
///
/// The problem: a client that got its acknowledgement goes on and forgets the picture. From then on
/// the picture must come to be under its name exactly once, whatever crashes. This class decides
/// what that means (states, attempts, keys, names, bounds); job_log keeps it, job_index lists it,
/// publisher.hpp does it.
///
/// Contract:
/// - `accept` and all changes are visible to this object at once and durable after `commit`. Tell a
///   client nothing before. Many changes may share one commit.
/// - When `commit` fails, the jobs accepted since the last one are gone again (they are what the
///   answer names); other changes stay and are written with the next commit that succeeds.
/// - Ids are unique across restarts. Names are settled at acceptance and never change.
/// - Bounds: `max_jobs` and `spool_bytes`; past them `accept` is `overloaded` with a hint. To make
///   room, done and cancelled jobs are forgotten before their time, oldest first, never failed
///   ones.
/// - An attempt that the process did not survive counts apart: `3 * attempts` of them without an
///   image written fail the job, so neither a poison job nor an impatient operator loses more.
///
/// Thread rule: one owner (the save store's actor). `job_work` may be used on other threads.
class job_store {
public:
  struct opened;

  /// Opens the store in the data folder (its files lie in `log/` and `index/`) and recovers:
  /// running jobs are queued again, damaged ones failed with the place of the damage.
  /// @pre the caller holds the folder's data_lock.
  static result<opened> open(std::shared_ptr<file_system> files,
                             const std::shared_ptr<directory>& data, job_store_options options);

  // -- submit ------------------------------------------------------------------------------------

  /// Takes a job: settles its names, appends it. Not durable before `commit`.
  /// - the key of a job that is remembered: that job, if the task is the same (`known`); else
  ///   `bad_request`.
  /// - `overloaded` with a hint: spool, job bound or disk full. `bad_request`: no images, a key of
  ///   more than 200 bytes, a name that is none. Names: see name_reservations.
  result<accepted> accept(new_job job);

  struct commit_failure {
    failure reason;
    std::vector<std::string> dropped; ///< ids of accepted jobs that do not exist any more
  };

  /// Makes everything so far durable: one sync. Cheap if nothing changed.
  tl::expected<void, commit_failure> commit();

  // -- work --------------------------------------------------------------------------------------

  /// The next durable job that is due, now running; nothing if none is. Higher priority first, then
  /// the older one. A job waits while an older one that is queued or running writes the same name.
  std::optional<job_work> take();

  /// When `take` may have something again because a backoff ends; nothing if no job waits for that.
  std::optional<time_point> next_due() const;

  /// Says that an image is about to get its name. `commit` before `reveal`!
  /// @returns `cancelled` if the job was cancelled meanwhile: then discard the temporary file.
  result<void> publishing(const std::string& id, uint32_t image, const file_identity& identity);

  /// An image has its name. Its promise ends.
  /// @param state done or discarded. @param detail a JSON object or empty.
  result<void> image_done(const std::string& id, uint32_t image, image_state state,
                          std::string detail);

  /// An image could not be written in this attempt.
  result<void> image_failed(const std::string& id, uint32_t image, std::string error);

  /// The attempt is over: done if all images are written, cancelled if that was asked, else queued
  /// again with a backoff, or failed after the last attempt or if `permanent`.
  /// @param error of the attempt, empty to take that of the first failed image.
  result<job_status> finish_attempt(const std::string& id, std::string error, bool permanent,
                                    std::string detail = {});

  /// Puts a running job back as if it had not been taken (drain).
  result<void> put_back(const std::string& id);

  // -- control -----------------------------------------------------------------------------------

  result<job_status> status(const std::string& id);

  /// What is not written will not be. An ended job stays as it is. A running one is cancelled when
  /// its attempt finishes.
  result<job_status> cancel(const std::string& id);

  /// failed -> queued with fresh attempts. Another state: unchanged, it needs no retry; cancelled
  /// and damaged jobs are `bad_request`.
  result<job_status> retry(const std::string& id);

  /// Newest first. @param limit at most this many.
  result<std::vector<job_status>> list(std::optional<job_state> state, size_t limit);

  store_counters counters() const;

  // -- upkeep ------------------------------------------------------------------------------------

  /// Forgets what is older than `keep`, writes the index, gives segments back, prepares a spare.
  /// Call it when idle and about once a minute. May commit.
  result<void> maintain();

private:
  friend class store_recovery;

  /// A record of a job that some segment still holds.
  struct held_record {
    log_place place;
    record_kind kind{};
    bool needed = true;
  };

  /// What is in memory of every remembered job, also of the ended ones.
  struct entry {
    job_state state = job_state::queued;
    bool durable = false; ///< its accepted record is
    time_point created{};
    time_point ended{};
    std::vector<held_record> held;
    std::unique_ptr<live_job> live; ///< all of it, for jobs that are not done or cancelled
  };

  job_store(std::shared_ptr<file_system> files, job_log log, job_index index,
            job_store_options options);

  std::shared_ptr<file_system> files_;
  job_store_options options_;
  job_log log_;
  job_index index_;
  name_reservations names_;
  std::unordered_map<std::string, entry> jobs_;
};

struct job_store::opened {
  std::unique_ptr<job_store> store;
  recovery_report report;
};

} // namespace luna::storage
