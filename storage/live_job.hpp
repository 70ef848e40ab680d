#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "storage/job_log.hpp"
#include "storage/job_records.hpp"

namespace luna::storage {

/// All that the store knows of a job whose pixels are still needed: one that is queued, running or
/// failed, or whose end is not durable yet.
struct live_job {
  job_status status;
  int8_t priority = 0;
  sha256_digest digest{};

  /// Attempts since the last progress that the process did not survive, the running one included.
  uint32_t interruptions = 0;

  /// What is not written is not to be written any more.
  bool cancel_requested = false;

  /// The publishing record of each image that came so far in some attempt.
  std::vector<std::optional<file_identity>> recorded;

  /// What each image's name was made of; nothing in jobs of older versions.
  std::vector<std::optional<name_request>> wanted;

  /// What the job holds of the spool.
  uint64_t spool_bytes = 0;

  /// Its work and its place in its lane, as long as it is queued or running.
  uint64_t lane_bytes = 0;
  uint64_t lane_place = 0;

  /// The lane it waits in: its target, or the root of its folder.
  const std::string& lane() const {
    return status.target.empty() ? status.images.front().name.root : status.target;
  }

  /// Ticket of the snapshot that ends the job: when it is durable, this struct goes.
  uint64_t final_ticket = 0;
};

/// The job as an accepted record describes it: queued, nothing written.
live_job make_live(const accepted_record& record, uint64_t spool_bytes);

/// What an image's name was made of. Accepted by an older version: as if that name had been asked
/// for.
name_request wanted_of(const live_job& job, uint32_t image);

snapshot_record make_snapshot(const live_job& job);

/// Puts the state of a snapshot onto a job.
void apply_snapshot(live_job& job, const snapshot_record& record);

tl::unexpected<failure> unknown_job(const std::string& id);

/// The status of an ended job as its last snapshot says.
job_status status_of(const snapshot_record& record);

} // namespace luna::storage
