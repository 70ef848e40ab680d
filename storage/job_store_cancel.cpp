#include <algorithm>
#include <utility>

#include "storage/job_store.hpp"

// Cancelling, and attempts that go on for a while after their job was cancelled.

namespace luna::storage {

result<job_change> job_store::cancel(const std::string& id) {
  auto i = jobs_.find(id);
  if (i == jobs_.end())
    return unknown_job(id);
  auto& entry = i->second;
  if (is_ended(entry.state) || entry.live->cancel_requested)
    return unchanged(id);
  auto& job = *entry.live;
  job.cancel_requested = true;
  auto may_be_written =
    std::any_of(job.recorded.begin(), job.recorded.end(), [](auto& x) { return x.has_value(); });
  auto is_queued = entry.state == job_state::queued;
  if (!job.status.target.empty() || (is_queued && !may_be_written)) {
    cancel_now(id, entry);
  } else {
    // A worker has it, or must look whether an image has its name: the attempt's end decides.
    append_snapshot(job);
    if (is_queued && entry.durable)
      queue_.add(id, job.lane(), job.priority, options_.clock());
  }
  return job_change{job.status, true};
}

/// Nothing of the job is begun any more. What an attempt has under way may still appear, once.
void job_store::cancel_now(const std::string& id, entry& entry) {
  auto& job = *entry.live;
  queue_.remove(id);
  abandoned_attempt left{job.lane(), {}};
  for (auto& image : job.status.images) {
    if (is_written(image.state) || !job.recorded[image.index])
      continue;
    image.error = "it may be there: the job was cancelled when the target had not said yet";
    left.names.push_back(image.name);
  }
  auto running = entry.state == job_state::running;
  if (running)
    abandoned_[id] = left;
  end(entry, job_state::cancelled);
  if (running)
    for (auto& name : left.names)
      names_.restore(id, name);
}

/// The worker has come back from it.
result<job_status> job_store::end_abandoned(const std::string& id) {
  auto attempt = abandoned_.extract(id);
  lanes_.stop_abandoned(attempt.mapped().lane, options_.clock());
  for (auto& name : attempt.mapped().names)
    names_.release(id, name);
  return status(id);
}

/// An image of a cancelled job was under way and has its name now: the job says so.
result<void> job_store::note_late_image(const std::string& id, uint32_t image, image_state state,
                                        std::string detail) {
  auto i = jobs_.find(id);
  if (i == jobs_.end())
    return {}; // forgotten
  auto snapshot =
    i->second.live ? result<snapshot_record>{make_snapshot(*i->second.live)} : read_snapshot(id);
  if (!snapshot)
    return fail(snapshot);
  auto& x = snapshot->images.at(image);
  x.state = state;
  x.error.clear();
  x.detail = std::move(detail);
  x.recorded.reset();
  if (i->second.live)
    apply_snapshot(*i->second.live, *snapshot);
  auto ticket = append(id, record_kind::snapshot, encode(*snapshot));
  if (i->second.live)
    i->second.live->final_ticket = ticket;
  return {};
}

} // namespace luna::storage
