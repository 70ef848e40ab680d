#include <algorithm>
#include <utility>

#include "storage/job_store.hpp"

// Forgetting, and giving segments back.

namespace luna::storage {

namespace {

/// What one call forgets and gives back: bounds how long it takes.
constexpr size_t forgotten_at_once = 5000;
constexpr int reclaimed_at_once = 32;

} // namespace

result<void> job_store::maintain() {
  names_.look_after(4096);
  if (!uncommitted_.empty())
    return {};
  forget_expired();
  if (auto ok = commit(); !ok)
    return tl::make_unexpected(ok.error().reason);
  if (auto ok = reclaim(reclaim_mode::all, reclaimed_at_once); !ok)
    return ok;
  return log_.prepare_spare();
}

void job_store::forget_expired() {
  for (auto& id : ended_before(options_.clock() - options_.keep, true))
    forget(id);
}

/// Finished jobs that ended before the time, those that did so first; as many as one call forgets.
/// @param failed_too false: only done and cancelled ones.
std::vector<std::string> job_store::ended_before(time_point time, bool failed_too) const {
  std::vector<std::pair<time_point, std::string_view>> old;
  for (auto& [id, job] : jobs_)
    if (is_ended(job.state) && job.ended < time && (failed_too || job.state != job_state::failed))
      old.emplace_back(job.ended, id);
  auto count = std::min(old.size(), forgotten_at_once);
  std::partial_sort(old.begin(), old.begin() + static_cast<ptrdiff_t>(count), old.end());
  old.resize(count);
  std::vector<std::string> ids;
  for (auto& [ended, id] : old)
    ids.emplace_back(id);
  return ids;
}

/// Gives closed segments back in which a quarter at most is needed; that is copied, so the log
/// stays within four times of what is needed.
/// @param mode without_pixels: leaves segments alone whose jobs are not done; they will be soon.
result<void> job_store::reclaim(reclaim_mode mode, int most) {
  for (auto& [number, size] : log_.closed_segments()) {
    auto needed = ledger_.needed_of(number);
    if (needed.all > size / 4 || (mode == reclaim_mode::without_pixels && needed.pixels > 0))
      continue;
    if (most-- == 0)
      break;
    auto carried = carry_forward(number);
    if (!carried)
      return fail(carried);
    if (!*carried)
      continue;
    if (auto ok = log_.retire(number); !ok)
      return ok;
    ledger_.segment_gone(number);
  }
  return {};
}

/// Writes again what is needed of a segment. @returns whether nothing needed is left in it.
result<bool> job_store::carry_forward(uint64_t segment) {
  for (auto& record : ledger_.needed_in(segment))
    if (auto ok = carry(record); !ok)
      return fail(ok);
  if (auto ok = commit(); !ok)
    return tl::make_unexpected(ok.error().reason);
  return ledger_.needed_of(segment).all == 0;
}

result<void> job_store::carry(const record_ledger::needed_record& record) {
  auto& id = record.id;
  auto i = jobs_.find(id);
  if (record.kind == record_kind::forgotten) {
    append(id, record_kind::forgotten, encode(forgotten_record{id}));
    return {};
  }
  if (i == jobs_.end())
    return {};
  auto& entry = i->second;
  if (record.kind != record_kind::accepted && entry.live) {
    append_snapshot(*entry.live);
    return {};
  }
  auto found = log_.read(record.place);
  std::vector<tensor_block> pieces;
  if (found) {
    auto reader = log_.pieces_of(record.place, found->pieces);
    for (size_t n = 0; reader && n < reader->size(); ++n) {
      auto bytes = reader->read(n);
      if (!bytes) {
        found = fail(bytes);
        break;
      }
      auto size = static_cast<int64_t>((*bytes)->size());
      pieces.emplace_back(dtype::u8, std::vector<int64_t>{size}, std::span{**bytes}, *bytes);
    }
  }
  if (!found) {
    // What cannot be read cannot be kept, and only this job pays for it.
    if (!entry.live) {
      ++damages_;
      forget(id);
    } else if (entry.state != job_state::running) {
      fail_damaged(id, found.error().message);
    }
    return {};
  }
  auto ticket = log_.append(record.kind, std::move(found->payload), std::move(pieces),
                            std::move(found->pieces));
  tickets_[ticket] = {id, record.kind};
  return log_.write();
}

} // namespace luna::storage
