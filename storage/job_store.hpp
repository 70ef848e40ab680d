#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "storage/dead_letters.hpp"
#include "storage/file_system.hpp"
#include "storage/job_log.hpp"
#include "storage/job_records.hpp"
#include "storage/job_types.hpp"
#include "storage/lanes.hpp"
#include "storage/live_job.hpp"
#include "storage/name_reservations.hpp"
#include "storage/record_ledger.hpp"
#include "storage/work_queue.hpp"

namespace luna::storage {

struct job_store_options {
  uint64_t spool_bytes = uint64_t{20} << 30; ///< pixels and tasks of jobs that are not written yet
  size_t max_jobs = 100000;                  ///< remembered in all
  uint32_t attempts = 5;                     ///< before a job is failed
  std::chrono::milliseconds keep = std::chrono::hours{168}; ///< how long ended jobs are remembered
  std::chrono::milliseconds first_backoff{1000};            ///< doubled with each attempt
  std::chrono::milliseconds max_backoff{60000};

  /// Attempts that may run at the same time; 0: whoever calls `take` sees to that.
  uint32_t workers = 0;

  /// The folders and the remote targets. Folders may be left out; a remote target that is not here
  /// does not exist.
  std::vector<lane_description> lanes;

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

    /// Set if an earlier attempt came to its publishing record: ask target::is_published first.
    std::optional<file_identity> recorded;

    /// publish_request::marker.
    std::string marker = {};

    /// What its name and the next ones begin with.
    std::string stem = {};
  };

  std::string id;
  std::string target; ///< a remote one, or empty: folders
  std::string task;
  std::string plan;
  uint32_t attempt = 1;
  time_point created{};
  std::vector<image> images;  ///< those still to be written
  std::vector<image> written; ///< the others; their pixels are there still
  piece_reader pixels;        ///< one piece an image, by image::index

  /// The job is cancelled, but these images may have their names already: ask is_published for each
  /// and write none.
  bool only_check = false;

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
  size_t given_up = 0;       ///< failed jobs whose pictures are gone
  uint64_t failed_bytes = 0; ///< of spool_bytes, held by failed jobs
  uint64_t failed_limit = 0;
  uint64_t spool_bytes = 0; ///< held by jobs that are not written yet
  uint64_t spool_limit = 0;
  uint64_t disk_bytes = 0; ///< of the segments
  size_t max_jobs = 0;
  uint64_t damages = 0; ///< damaged records met since the start
  uint64_t commits = 0; ///< syncs that made something durable
  std::string problem;  ///< why the log cannot be written now, or empty
  std::vector<lane_status> lanes;
};

/// What the start found.
struct recovery_report {
  std::vector<log_damage> damages;
  size_t queued = 0; ///< jobs that go on
  size_t ended = 0;  ///< jobs that are only remembered
};

/// Save jobs from their acceptance to their being forgotten.
///
/// The problem: a client that got its acknowledgement goes on and forgets the picture. From then on
/// the picture must come to be under its name exactly once, whatever crashes. This class decides
/// what that means (states, attempts, keys, names, bounds); job_log keeps it,
/// target.hpp does it.
///
/// Contract:
/// - `accept` and all changes are visible to this object at once and durable after `commit`. Tell a
///   client nothing before. Many changes may share one commit.
/// - When `commit` fails, the jobs accepted since the last one are gone again (they are what the
///   answer names); other changes stay and are written with the next commit that succeeds. A job
///   that was acknowledged `at_once` stays as failed and says that its pictures are lost.
/// - Ids are unique, also among nodes that know nothing of each other. Names are settled at
///   acceptance; one changes only if somebody else takes it and its rule allows that.
/// - Bounds: `max_jobs` and `spool_bytes`; past them `accept` is `overloaded` with a hint. To make
///   room, done and cancelled jobs are forgotten before their time, oldest first, then failed ones
///   whose pictures are gone.
/// - Failed jobs hold half of the spool and of `max_jobs` at most: past that, those that failed
///   first give up their pixels and their names. They stay remembered as failed, without a retry.
/// - Each folder and each remote target is a lane (lanes.hpp): one that is slow or away holds up
/// its
///   own jobs only, and an attempt that ends because its target is away does not count.
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
  ///   more than 200 bytes, a name that is none, no such target. Places: see destination.hpp,
  ///   names: see name_reservations.
  result<accepted> accept(new_job job);

  struct commit_failure {
    failure reason;
    std::vector<std::string> dropped; ///< ids of accepted jobs that do not exist any more
  };

  /// Makes everything so far durable: one sync. Cheap if nothing changed.
  tl::expected<void, commit_failure> commit();

  // -- work --------------------------------------------------------------------------------------

  /// The next durable job that is due and whose lane may start one, now running; nothing if none
  /// is. Higher priority first, then the older one. A job waits while an older one that is queued
  /// or running writes the same name. Gives a segment back on the way if one is free: so the log
  /// stays small under load too.
  std::optional<job_work> take();

  /// When `take` may have something again because a backoff or the pause of a target that is away
  /// ends; nothing if no job waits for that.
  std::optional<time_point> next_due() const;

  /// Says that an image is about to get its name. `commit` before `reveal`!
  /// @returns `cancelled` if the job was cancelled meanwhile: then discard the temporary file.
  result<void> publishing(const std::string& id, uint32_t image, const file_identity& identity);

  /// Somebody else's file or object stands under the image's name: it gets the next free one, which
  /// is to be recorded by `publishing` like the first.
  /// @param there what stands at a remote target; nullptr: folders.
  /// @returns `bad_request` if the job asked for exactly that name.
  result<file_name> rename(const std::string& id, uint32_t image,
                           const name_reservations::names_there* there);

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

  /// The attempt is over because its target cannot be used now. It does not count: the job waits
  /// until the target is tried again, as do all others of that target. One that was cancelled
  /// before anything of it can have appeared ends.
  result<job_status> target_away(const std::string& id, std::string error);

  /// The attempt is over because the pixels in the log are damaged: the job is failed for good, and
  /// a submit with its key is taken as a new job.
  result<job_status> pixels_damaged(const std::string& id, std::string error);

  // -- control -----------------------------------------------------------------------------------

  result<job_status> status(const std::string& id);

  /// What is not written will not be. An ended job stays as it is. One of a folder that is running
  /// is cancelled when its attempt finishes; one of a remote target at once, whatever its attempt
  /// waits for: an image that may be there already says so.
  result<job_change> cancel(const std::string& id);

  /// failed -> queued with fresh attempts. queued, running and done: as they are. A cancelled job
  /// and one whose pixels are damaged or given up: `bad_request`.
  result<job_change> retry(const std::string& id);

  /// An ended job is forgotten with its pictures. A queued or running one: `bad_request`.
  /// @returns its last state.
  result<job_status> discard(const std::string& id);

  /// The jobs that have given up their pictures since the last call.
  std::vector<std::string> take_given_up() { return std::exchange(given_up_, {}); }

  /// Newest first. @param limit at most this many.
  result<std::vector<job_status>> list(std::optional<job_state> state, size_t limit);

  store_counters counters() const;

  /// This node's identity (node_identity.hpp).
  const std::string& node() const noexcept { return node_; }

  /// False while a remote target is known to be away.
  bool is_reachable(const std::string& target) const;

  // -- upkeep ------------------------------------------------------------------------------------

  /// Forgets what is older than `keep`, gives segments back, prepares a spare.
  /// Call it when idle and about once a minute, after a commit: with a job accepted and not
  /// committed it does nothing. It syncs and may copy a quarter of a segment.
  result<void> maintain();

private:
  friend class store_recovery;

  /// What is in memory of every remembered job.
  struct entry {
    job_state state = job_state::queued;
    bool durable = false;      ///< its accepted record is
    bool acknowledged = false; ///< before it was durable
    time_point ended{};
    std::string key;
    std::unique_ptr<live_job> live; ///< none once a done or cancelled job's end is durable
  };

  using job_map = std::map<std::string_view, entry>; ///< by id (record_ledger::know)

  /// Finds a job by its key, of which the entry has the only copy.
  struct by_key {
    using is_transparent = void;
    static std::string_view key_of(std::string_view key) { return key; }
    static std::string_view key_of(const job_map::value_type* job) { return job->second.key; }
    size_t operator()(const auto& x) const { return std::hash<std::string_view>{}(key_of(x)); }
    bool operator()(const auto& x, const auto& y) const { return key_of(x) == key_of(y); }
  };

  struct ticket_owner {
    std::string id;
    record_kind kind{};
  };

  /// An attempt whose job was cancelled under it: its worker still has it.
  struct abandoned_attempt {
    std::string lane;
    std::vector<file_name> names; ///< of images that may just now appear: still promised
  };

  job_store(std::shared_ptr<file_system> files, std::string node, job_log log,
            job_store_options options);

  // job_store.cpp
  result<std::optional<accepted>> find_known(const new_job& job, const sha256_digest& digest);
  std::string full_spool(uint64_t bytes) const;
  result<void> make_room(uint64_t bytes);
  std::string next_id();
  bool show_names();
  result<void> choose_root(new_job& job) const;
  void drop(const std::string& id);
  void lose(const std::string& id, const std::string& why);
  void became_durable(uint64_t ticket, const log_place& place,
                      const std::vector<log_place>& copies);

  // job_store_work.cpp
  result<live_job*> running(const std::string& id);
  result<job_work> begin_attempt(const std::string& id, live_job& job);
  void add_markers(job_work& work) const;
  void end(entry& job, job_state state);
  bool is_blocked(const std::string& id) const;
  time_point heed_clock();
  void wait_again(const std::string& id, entry& job, time_point due);

  // job_store_cancel.cpp
  void cancel_now(const std::string& id, entry& job);
  result<job_status> end_abandoned(const std::string& id);
  result<void> note_late_image(const std::string& id, uint32_t image, image_state state,
                               std::string detail);

  // job_store_control.cpp
  result<job_change> unchanged(const std::string& id);
  uint64_t append(const std::string& id, record_kind kind, std::string payload);
  result<snapshot_record> read_snapshot(const std::string& id);
  uint64_t append_snapshot(live_job& job);
  void set_state(entry& job, job_state state);
  void count(entry& job, std::optional<job_state> from, std::optional<job_state> to);
  std::optional<std::chrono::milliseconds> eta_of(const live_job& job) const;
  void release_names(const live_job& job);
  void hide_names(const live_job& job);
  void fail_damaged(const std::string& id, const std::string& why);
  void forget(const std::string& id);
  void withdraw_all(const std::string& id);

  // job_store_letters.cpp
  void bound_dead_letters();
  void give_up_pixels(const std::string& id);

  // job_store_upkeep.cpp
  std::vector<std::string> ended_before(time_point time, bool failed_too) const;
  void forget_expired();
  enum class reclaim_mode { without_pixels, all };
  result<void> reclaim(reclaim_mode mode, int most);
  result<bool> carry_forward(uint64_t segment);
  result<void> carry(const record_ledger::needed_record& record);

  std::shared_ptr<file_system> files_;
  std::string node_;
  job_store_options options_;
  job_log log_;
  record_ledger ledger_;
  name_reservations names_;
  work_queue queue_;
  lanes lanes_;
  dead_letters letters_; ///< failed jobs whose pictures are kept
  dead_letters spent_;   ///< and those whose pictures are gone
  job_map jobs_;         ///< the newest is the last
  std::unordered_map<std::string, abandoned_attempt> abandoned_;        ///< by job
  std::unordered_set<const job_map::value_type*, by_key, by_key> keys_; ///< of jobs with a key
  std::unordered_map<uint64_t, ticket_owner> tickets_; ///< records that are not durable
  std::unordered_set<std::string> uncommitted_;        ///< accepted, not durable
  std::vector<std::string> unshown_;                   ///< accepted, no markers yet
  std::vector<std::string> given_up_;                  ///< that nobody was told of yet
  std::array<size_t, 5> counts_{};                     ///< by job_state
  uint64_t spool_used_ = 0;
  time_point latest_{}; ///< that the clock has shown to `take`
  int64_t last_id_time_ = 0;
  uint32_t last_id_count_ = 0;
  uint64_t damages_ = 0;
  uint64_t commits_ = 0;
  std::string problem_;
};

struct job_store::opened {
  std::unique_ptr<job_store> store;
  recovery_report report;
};

} // namespace luna::storage
