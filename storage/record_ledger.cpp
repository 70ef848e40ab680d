#include "storage/record_ledger.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace luna::storage {

record_ledger::latest_records record_ledger::latest_of(const holding& job) {
  latest_records latest;
  for (auto& [place, kind, copy] : job.records) {
    latest.only_forgotten = latest.only_forgotten && kind == record_kind::forgotten;
    if (copy)
      continue;
    if (kind == record_kind::accepted)
      latest.accepted = std::max(latest.accepted, place);
    if (kind == record_kind::snapshot)
      latest.snapshot = std::max(latest.snapshot, place);
    if (kind == record_kind::forgotten)
      latest.forgotten = std::max(latest.forgotten, place);
  }
  return latest;
}

bool record_ledger::is_needed(const holding& job, const latest_records& latest,
                              const held_record& record) {
  if (record.copy)
    return false;
  if (job.gone)
    return record.place == latest.forgotten && !latest.only_forgotten;
  switch (record.kind) {
  case record_kind::accepted:
    return job.pixels_needed && record.place == latest.accepted;
  case record_kind::snapshot:
    return record.place == latest.snapshot;
  default:
    return latest.snapshot < record.place;
  }
}

/// Of the records that are not needed one a segment is enough to know that there are any.
void record_ledger::compact(holding& job) {
  auto latest = latest_of(job);
  std::set<uint64_t> known;
  std::vector<held_record> kept;
  for (auto& record : job.records)
    if (is_needed(job, latest, record)) {
      known.insert(record.place.segment);
      kept.push_back(record);
    }
  for (auto& record : job.records)
    if (!is_needed(job, latest, record) && known.insert(record.place.segment).second)
      kept.push_back(record);
  job.records = std::move(kept);
}

void record_ledger::count(const holding& job, bool add) {
  auto latest = latest_of(job);
  for (auto& record : job.records) {
    if (!is_needed(job, latest, record))
      continue;
    auto bytes = add ? record.place.bytes : uint64_t{0} - record.place.bytes;
    auto& needed = segments_[record.place.segment];
    needed.all += bytes;
    if (record.kind == record_kind::accepted)
      needed.pixels += bytes;
  }
}

std::string_view record_ledger::know(const std::string& id) {
  return jobs_.try_emplace(id).first->first;
}

void record_ledger::add(const std::string& id, record_kind kind, const log_place& place) {
  auto& job = jobs_[id];
  change(job, [&] {
    job.gone = job.gone || kind == record_kind::forgotten;
    job.records.push_back({place, kind, false});
  });
}

void record_ledger::add_copy(const std::string& id, const log_place& place) {
  auto& job = jobs_[id];
  change(job, [&] { job.records.push_back({place, record_kind::started, true}); });
}

void record_ledger::drop_pixels(const std::string& id) {
  if (auto i = jobs_.find(id); i != jobs_.end())
    change(i->second, [&] { i->second.pixels_needed = false; });
}

bool record_ledger::forget(const std::string& id) {
  auto i = jobs_.find(id);
  if (i == jobs_.end())
    return false;
  if (i->second.records.empty()) {
    jobs_.erase(i);
    return false;
  }
  change(i->second, [&] { i->second.gone = true; });
  return true;
}

void record_ledger::segment_gone(uint64_t segment) {
  auto is_in = [segment](const held_record& x) { return x.place.segment == segment; };
  for (auto i = jobs_.begin(); i != jobs_.end();) {
    auto& job = i->second;
    if (std::any_of(job.records.begin(), job.records.end(), is_in))
      change(job, [&] { std::erase_if(job.records, is_in); });
    i = job.gone && latest_of(job).only_forgotten ? jobs_.erase(i) : std::next(i);
  }
  segments_.erase(segment);
}

log_place record_ledger::accepted(const std::string& id) const {
  auto i = jobs_.find(id);
  return i == jobs_.end() ? log_place{} : latest_of(i->second).accepted;
}

log_place record_ledger::snapshot(const std::string& id) const {
  auto i = jobs_.find(id);
  return i == jobs_.end() ? log_place{} : latest_of(i->second).snapshot;
}

std::vector<record_ledger::needed_record> record_ledger::needed_in(uint64_t segment) const {
  std::vector<needed_record> needed;
  if (needed_of(segment).all == 0)
    return needed;
  for (auto& [id, job] : jobs_) {
    auto latest = latest_of(job);
    for (auto& record : job.records)
      if (record.place.segment == segment && is_needed(job, latest, record))
        needed.push_back({id, record.kind, record.place});
  }
  // In the order of the log, whatever the hash table's order is.
  std::sort(needed.begin(), needed.end(), [](auto& x, auto& y) { return x.place < y.place; });
  return needed;
}

record_ledger::needed_bytes record_ledger::needed_of(uint64_t segment) const {
  auto i = segments_.find(segment);
  return i == segments_.end() ? needed_bytes{} : i->second;
}

} // namespace luna::storage
