#include <utility>

#include "storage/job_store.hpp"

// Failed jobs: taken up again, given up, forgotten.

namespace luna::storage {

namespace {

tl::unexpected<failure> no_retry(const std::string& id, const std::string& why) {
  return fail(ec::bad_request, "job " + id + " cannot be retried: " + why + "; submit it again");
}

} // namespace

result<job_change> job_store::retry(const std::string& id) {
  auto i = jobs_.find(id);
  if (i == jobs_.end())
    return unknown_job(id);
  auto& entry = i->second;
  if (entry.state == job_state::cancelled)
    return no_retry(id, "it was cancelled and its pixels are gone");
  if (entry.state != job_state::failed)
    return unchanged(id);
  auto& job = *entry.live;
  if (job.status.pixels == pixel_state::given_up)
    return no_retry(id, "its pictures were given up to make room for other jobs");
  if (job.status.pixels == pixel_state::damaged)
    return no_retry(id, job.status.error);
  letters_.remove(id);
  job.status.attempts = 0;
  job.interruptions = 0;
  job.status.error.clear();
  job.status.ended = entry.ended = {};
  job.status.next_attempt = options_.clock();
  for (auto& image : job.status.images)
    if (!is_written(image.state)) {
      image.state = image_state::waiting;
      image.error.clear();
      names_.show_again(id, image.name);
    }
  set_state(entry, job_state::queued);
  append_snapshot(job);
  queue_.add(id, job.lane(), job.priority, job.status.next_attempt);
  return job_change{job.status, true};
}

result<job_status> job_store::discard(const std::string& id) {
  auto i = jobs_.find(id);
  if (i == jobs_.end())
    return unknown_job(id);
  if (!is_ended(i->second.state))
    return fail(ec::bad_request, "job " + id + " is " + std::string{to_string(i->second.state)}
                                   + "; cancel it, or wait until it is at an end");
  auto last = status(id);
  if (!last) { // its record is damaged: even so it can go
    last = job_status{};
    last->id = id;
    last->state = i->second.state;
  }
  last->pixels = pixel_state::given_up;
  drop(id);
  return last;
}

void job_store::bound_dead_letters() {
  while (letters_.bytes() > options_.spool_bytes / 2 || letters_.size() > options_.max_jobs / 2)
    give_up_pixels(std::string{letters_.oldest()});
}

/// The job stays failed; its room and its names are free.
void job_store::give_up_pixels(const std::string& id) {
  auto& job = *jobs_.at(id).live;
  letters_.remove(id);
  spent_.add(id, job.status.ended, 0);
  job.status.pixels = pixel_state::given_up;
  spool_used_ -= std::exchange(job.spool_bytes, 0);
  ledger_.drop_pixels(id);
  release_names(job);
  append_snapshot(job);
  given_up_.push_back(id);
}

} // namespace luna::storage
