#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "storage/job_types.hpp"

namespace luna::storage {

/// One place that jobs go to, as the store is told of it: a folder's root, or a remote target.
struct lane_description {
  std::string name; ///< of the target; the root of a folder
  std::string root; ///< file_name::root of its jobs
  bool remote = false;
};

/// What get_status tells of a lane.
struct lane_status {
  std::string name;
  bool remote = false;
  size_t queued = 0;
  size_t running = 0;
  std::string problem;    ///< why it is down, or empty
  time_point retry_at{};  ///< of a lane that is down
  double bytes_per_s = 0; ///< recently, pixels; 0 while unknown
};

/// The queues of the save service, one for each place: who may have a worker now, who is away, and
/// how fast each is.
///
/// The problem: a target that is slow or away must hold up its own jobs and no others, though all
/// share a few workers.
///
/// Contract, with `workers` in all (0: no bound):
/// - A lane with nothing running gets a worker that is free. One that has some gets a further one
///   only if enough stay free: one for each remote lane with nothing running and one for the other
///   folders if none of them runs. So while remote lanes and one folder hang, every other lane has
///   a worker at once, as long as there are as many workers as remote lanes and one more; a second
///   folder that hangs may take the worker that a third one waits for.
/// - A lane that is down runs nothing until `retry_at`, then one job to see. The pause doubles with
///   each such job that fails too, up to the longest one; the first job that comes through ends it.
///
/// Thread rule: one owner, the store. Jobs are counted by their bytes: an image of 4096 x 4096 is
/// not one of 64 x 64.
class lanes {
public:
  struct options {
    uint32_t workers = 0;
    std::chrono::milliseconds first_pause{1000};
    std::chrono::milliseconds longest_pause{60000};
  };

  lanes(options with, const std::vector<lane_description>& known);

  // -- counting ----------------------------------------------------------------------------------

  /// A job waits in this lane. @returns its place in line, for `eta`.
  uint64_t enter(const std::string& name, uint64_t bytes);

  /// A waiting job runs.
  void start(const std::string& name, time_point now);

  /// A running job waits again.
  void stop(const std::string& name, time_point now);

  /// A running job is given up and is about to `leave`, though its worker is not free yet.
  void abandon(const std::string& name);

  /// Now that worker is.
  void stop_abandoned(const std::string& name, time_point now);

  /// A waiting job is no more: written, given up or cancelled. @pre a running one has stopped.
  void leave(const std::string& name, uint64_t bytes, bool written);

  // -- health ------------------------------------------------------------------------------------

  /// An attempt says that the place cannot be reached. @returns when it is tried again.
  time_point went_down(const std::string& name, std::string why, time_point now);

  /// The clock was set back: a pause must not last until its time comes again.
  void end_pauses(time_point now);

  /// Something came through.
  void came_up(const std::string& name);

  // -- asking ------------------------------------------------------------------------------------

  bool may_start(const std::string& name, time_point now) const;

  /// When a lane that is down may be tried again; nothing if it is up.
  std::optional<time_point> held_until(const std::string& name) const;

  /// How long the job at that place in line takes to its end, from the recent throughput; nothing
  /// while that is unknown or the lane is down.
  std::optional<std::chrono::milliseconds> eta(const std::string& name, uint64_t place) const;

  std::vector<lane_status> status() const;

private:
  struct lane {
    bool remote = false;
    size_t queued = 0;
    size_t running = 0;
    std::string problem;
    time_point retry_at{};
    uint32_t failures = 0;

    uint64_t entered = 0; ///< bytes of all jobs that ever came
    uint64_t left = 0;    ///< and of those that went
    uint64_t written = 0; ///< of these, those that were written
    std::chrono::milliseconds busy{0};
    time_point busy_since{};

    /// `busy` and `written` at the latest ends of jobs, oldest first.
    std::deque<std::pair<std::chrono::milliseconds, uint64_t>> ends;
  };

  static double rate_of(const lane& x);
  size_t reserved_beside(const std::string& name, const lane& x) const;

  options options_;
  std::map<std::string, lane> lanes_;
  size_t running_ = 0;
};

} // namespace luna::storage
