#include "storage/record_ledger.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace luna::storage {

bool record_ledger::is_needed(const holding& job, const held_record& record) {
  if (record.copy)
    return false;
  if (job.gone) {
    auto others = std::any_of(job.records.begin(), job.records.end(),
                              [](auto& x) { return x.kind != record_kind::forgotten; });
    return record.kind == record_kind::forgotten && record.place == job.forgotten && others;
  }
  switch (record.kind) {
  case record_kind::accepted:
    return job.pixels_needed && record.place == job.accepted;
  case record_kind::snapshot:
    return record.place == job.snapshot;
  default:
    return job.snapshot < record.place;
  }
}

/// Of the records that are not needed one a segment is enough to know that there are any.
void record_ledger::compact(holding& job) {
  std::set<uint64_t> known;
  std::vector<held_record> kept;
  for (auto& record : job.records)
    if (is_needed(job, record)) {
      known.insert(record.place.segment);
      kept.push_back(record);
    }
  for (auto& record : job.records)
    if (!is_needed(job, record) && known.insert(record.place.segment).second)
      kept.push_back(record);
  job.records = std::move(kept);
}

void record_ledger::count(const holding& job, bool add) {
  for (auto& record : job.records) {
    if (!is_needed(job, record))
      continue;
    auto bytes = add ? record.place.bytes : uint64_t{0} - record.place.bytes;
    auto& needed = segments_[record.place.segment].needed;
    needed.all += bytes;
    if (record.kind == record_kind::accepted)
      needed.pixels += bytes;
  }
}

void record_ledger::hold(const std::string& id, holding& job, const held_record& record) {
  segments_[record.place.segment].ids.insert(id);
  job.records.push_back(record);
}

void record_ledger::add(const std::string& id, record_kind kind, const log_place& place) {
  auto& job = jobs_[id];
  change(job, [&] {
    if (kind == record_kind::accepted)
      job.accepted = place;
    if (kind == record_kind::snapshot)
      job.snapshot = place;
    if (kind == record_kind::forgotten) {
      job.forgotten = place;
      job.gone = true;
    }
    hold(id, job, {place, kind, false});
  });
}

void record_ledger::add_copy(const std::string& id, const log_place& place) {
  auto& job = jobs_[id];
  change(job, [&] { hold(id, job, {place, record_kind::started, true}); });
}

void record_ledger::drop_pixels(const std::string& id) {
  if (auto i = jobs_.find(id); i != jobs_.end())
    change(i->second, [&] { i->second.pixels_needed = false; });
}

bool record_ledger::forget(const std::string& id) {
  auto i = jobs_.find(id);
  if (i == jobs_.end())
    return false;
  change(i->second, [&] { i->second.gone = true; });
  return true;
}

void record_ledger::segment_gone(uint64_t segment) {
  auto i = segments_.find(segment);
  if (i == segments_.end())
    return;
  auto ids = std::move(i->second.ids);
  for (auto& id : ids) {
    auto found = jobs_.find(id);
    if (found == jobs_.end())
      continue;
    auto& job = found->second;
    change(job, [&] {
      std::erase_if(job.records, [segment](auto& x) { return x.place.segment == segment; });
    });
    auto only_tombstones = std::all_of(job.records.begin(), job.records.end(),
                                       [](auto& x) { return x.kind == record_kind::forgotten; });
    if (!job.gone || !only_tombstones)
      continue;
    for (auto& record : job.records)
      segments_[record.place.segment].ids.erase(id);
    jobs_.erase(found);
  }
  segments_.erase(segment);
}

log_place record_ledger::accepted(const std::string& id) const {
  auto i = jobs_.find(id);
  return i == jobs_.end() ? log_place{} : i->second.accepted;
}

log_place record_ledger::snapshot(const std::string& id) const {
  auto i = jobs_.find(id);
  return i == jobs_.end() ? log_place{} : i->second.snapshot;
}

log_place record_ledger::latest(const std::string& id) const {
  log_place latest;
  if (auto i = jobs_.find(id); i != jobs_.end())
    for (auto& record : i->second.records)
      latest = std::max(latest, record.place);
  return latest;
}

std::vector<record_ledger::needed_record> record_ledger::needed_in(uint64_t segment) const {
  std::vector<needed_record> needed;
  auto ids = segments_.find(segment);
  if (ids == segments_.end())
    return needed;
  for (auto& id : ids->second.ids) {
    auto i = jobs_.find(id);
    if (i == jobs_.end())
      continue;
    for (auto& record : i->second.records)
      if (record.place.segment == segment && is_needed(i->second, record))
        needed.push_back({id, record.kind, record.place});
  }
  // In the order of the log, whatever the hash table's order is.
  std::sort(needed.begin(), needed.end(), [](auto& x, auto& y) { return x.place < y.place; });
  return needed;
}

record_ledger::needed_bytes record_ledger::needed_of(uint64_t segment) const {
  auto i = segments_.find(segment);
  return i == segments_.end() ? needed_bytes{} : i->second.needed;
}

} // namespace luna::storage
