#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "storage/job_log.hpp"

namespace luna::storage {

/// Which records of which jobs lie in which segments, and which of them are still needed.
///
/// The problem: a segment may be given back only when nothing in it counts any more, and a job may
/// be forgotten only if none of its records can come back with a segment that was not given back.
///
/// What is needed of a job: its latest `accepted` record while its pixels are; its latest
/// `snapshot` and what came after it; once it is forgotten, only the `forgotten` record, as long as
/// any other record of it exists.
///
/// Thread rule: one owner, the store.
class record_ledger {
public:
  struct needed_record {
    std::string id;
    record_kind kind{};
    log_place place;
  };

  /// A job is there, perhaps without any record yet.
  /// @returns its id, as text that lives until the job is forgotten: the only copy in memory.
  std::string_view know(const std::string& id);

  /// A record is durable.
  void add(const std::string& id, record_kind kind, const log_place& place);

  /// A record may exist, though nobody counts on it.
  void add_copy(const std::string& id, const log_place& place);

  /// The job's pixels will not be read again.
  void drop_pixels(const std::string& id);

  /// The job does not exist any more.
  /// @returns whether a `forgotten` record must say so, for there are records of it.
  bool forget(const std::string& id);

  /// The segment is gone with all that was in it.
  void segment_gone(uint64_t segment);

  /// Where the latest record of these kinds is; nowhere if there is none. The first counts as long
  /// as its pixels are needed.
  log_place accepted(const std::string& id) const;
  log_place snapshot(const std::string& id) const;

  /// The records of a segment that would have to be written again to give it back. Looks through
  /// all jobs if there are any: an index by segment would cost each job its id once more.
  std::vector<needed_record> needed_in(uint64_t segment) const;

  /// The bytes of these records, and those of `accepted` records among them.
  struct needed_bytes {
    uint64_t all = 0;
    uint64_t pixels = 0;
  };
  needed_bytes needed_of(uint64_t segment) const;

private:
  struct held_record {
    log_place place;
    record_kind kind{};
    bool copy = false;
  };

  struct holding {
    std::vector<held_record> records;
    bool pixels_needed = true;
    bool gone = false; ///< forgotten
  };

  /// What decides which records of a job are needed.
  struct latest_records {
    log_place accepted;
    log_place snapshot;
    log_place forgotten;
    bool only_forgotten = true; ///< there are no records of other kinds
  };

  static latest_records latest_of(const holding& job);
  static bool is_needed(const holding& job, const latest_records& latest,
                        const held_record& record);
  static void compact(holding& job);
  void count(const holding& job, bool add);

  /// Changes a job and keeps the sums of its segments right.
  template <class Change>
  void change(holding& job, Change what) {
    count(job, false);
    what();
    compact(job);
    count(job, true);
  }

  std::unordered_map<std::string, holding> jobs_;
  std::map<uint64_t, needed_bytes> segments_;
};

} // namespace luna::storage
