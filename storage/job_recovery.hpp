#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "storage/job_store.hpp"

namespace luna::storage {

/// Builds a store's jobs again from the records of its log.
///
/// The problem: records come in the order in which they were appended, but a job's pixels may have
/// been carried forward behind its later records, copies from failed segments may stand beside the
/// real ones, and any record may be missing because it was damaged. So the records are gathered by
/// job first, and each job is then made from what there is of it.
class store_recovery {
public:
  store_recovery(job_store& store, recovery_report& report) : store_(store), report_(report) {}

  void run(std::vector<found_record> records);

private:
  /// All that the log has of one job.
  struct gathered {
    std::unique_ptr<live_job> live; ///< from its accepted record
    std::vector<piece_entry> pieces;
    log_place accepted;
    bool synced = false;             ///< that record: its pixels are whole
    std::vector<job_record> changes; ///< in their order
  };

  void gather(found_record found);
  void build(const std::string& id, gathered& job);
  void apply(live_job& job, const job_record& change);
  void settle(const std::string& id, gathered& job);
  void finish(job_store::entry& entry);
  void queue(const std::string& id, const gathered& job);
  result<void> check_pixels(const job_status& status, const gathered& job) const;

  job_store& store_;
  recovery_report& report_;
  std::unordered_map<std::string, gathered> jobs_;
};

} // namespace luna::storage
