#include <algorithm>
#include <utility>

#include "storage/job_store.hpp"

// What clients ask for after submit, and the changes of state that all parts share.

namespace luna::storage {

// -- requests ------------------------------------------------------------------------------------

result<job_status> job_store::status(const std::string& id) {
  auto i = jobs_.find(id);
  if (i == jobs_.end())
    return unknown_job(id);
  if (i->second.live) {
    auto x = i->second.live->status;
    x.eta = eta_of(*i->second.live);
    return x;
  }
  auto snapshot = read_snapshot(id);
  if (!snapshot)
    return fail(snapshot);
  return status_of(*snapshot);
}

result<snapshot_record> job_store::read_snapshot(const std::string& id) {
  auto found = log_.read(ledger_.snapshot(id));
  if (!found) {
    ++damages_;
    return fail(found);
  }
  auto decoded = decode_record(found->kind, found->payload);
  auto record = decoded ? std::get_if<snapshot_record>(&*decoded) : nullptr;
  if (!record || record->id != id)
    return fail(ec::internal, "the record of job " + id + " is another one than was written");
  return std::move(*record);
}

result<job_change> job_store::unchanged(const std::string& id) {
  auto job = status(id);
  if (!job)
    return fail(job);
  return job_change{std::move(*job), false};
}

result<std::vector<job_status>> job_store::list(std::optional<job_state> state, size_t limit) {
  std::vector<job_status> found;
  for (auto i = jobs_.rbegin(); i != jobs_.rend() && found.size() < limit; ++i) {
    auto& [id, job] = *i;
    if (!job.durable || (state && job.state != *state))
      continue;
    if (auto x = status(std::string{id}))
      found.push_back(std::move(*x));
  }
  return found;
}

bool job_store::is_reachable(const std::string& target) const {
  auto held = lanes_.held_until(target);
  return !held || options_.clock() >= *held;
}

store_counters job_store::counters() const {
  auto count = [this](job_state x) { return counts_[static_cast<size_t>(x)]; };
  store_counters x;
  x.queued = count(job_state::queued);
  x.running = count(job_state::running);
  x.done = count(job_state::done);
  x.failed = count(job_state::failed);
  x.cancelled = count(job_state::cancelled);
  x.given_up = spent_.size();
  x.failed_bytes = letters_.bytes();
  x.failed_limit = options_.spool_bytes / 2;
  x.spool_bytes = spool_used_;
  x.spool_limit = options_.spool_bytes;
  x.disk_bytes = log_.disk_bytes();
  x.max_jobs = options_.max_jobs;
  x.damages = damages_;
  x.commits = commits_;
  x.problem = problem_;
  x.lanes = lanes_.status();
  return x;
}

// -- changes -------------------------------------------------------------------------------------

uint64_t job_store::append(const std::string& id, record_kind kind, std::string payload) {
  auto ticket = log_.append(kind, std::move(payload));
  tickets_[ticket] = {id, kind};
  // Now, so that it outlives this process; a failure shows again at the next commit.
  if (auto ok = log_.write(); !ok)
    problem_ = ok.error().message;
  return ticket;
}

uint64_t job_store::append_snapshot(live_job& job) {
  return append(job.status.id, record_kind::snapshot, encode(make_snapshot(job)));
}

void job_store::set_state(entry& job, job_state state) {
  count(job, job.state, state);
  job.state = state;
  if (job.live)
    job.live->status.state = state;
}

/// Counts a job that comes (`from` is nothing), goes (`to` is nothing) or changes its state.
void job_store::count(entry& job, std::optional<job_state> from, std::optional<job_state> to) {
  if (from)
    --counts_[static_cast<size_t>(*from)];
  if (to)
    ++counts_[static_cast<size_t>(*to)];
  if (!job.live)
    return;
  auto& x = *job.live;
  auto was_in_line = from && !is_ended(*from);
  auto is_in_line = to && !is_ended(*to);
  if (!was_in_line && is_in_line)
    x.lane_place = lanes_.enter(x.lane(), x.lane_bytes);
  if (from == job_state::running && abandoned_.contains(x.status.id))
    lanes_.abandon(x.lane());
  else if (from == job_state::running)
    lanes_.stop(x.lane(), options_.clock());
  if (to == job_state::running)
    lanes_.start(x.lane(), options_.clock());
  if (was_in_line && !is_in_line)
    lanes_.leave(x.lane(), x.lane_bytes, to == job_state::done);
}

std::optional<std::chrono::milliseconds> job_store::eta_of(const live_job& job) const {
  if (is_ended(job.status.state))
    return std::nullopt;
  auto eta = lanes_.eta(job.lane(), job.lane_place);
  if (eta && job.status.state == job_state::queued)
    *eta += std::max(job.status.next_attempt - options_.clock(), std::chrono::milliseconds{0});
  return eta;
}

void job_store::release_names(const live_job& job) {
  for (auto& image : job.status.images)
    names_.release(job.status.id, image.name);
}

/// Nothing is on its way there any more, though it may be again.
void job_store::hide_names(const live_job& job) {
  for (auto& image : job.status.images)
    if (!is_written(image.state))
      names_.hide(image.name);
}

void job_store::fail_damaged(const std::string& id, const std::string& why) {
  auto& entry = jobs_.at(id);
  auto& job = *entry.live;
  ++damages_;
  queue_.remove(id);
  job.status.pixels = pixel_state::damaged;
  job.status.error = why;
  spool_used_ -= std::exchange(job.spool_bytes, 0);
  ledger_.drop_pixels(id);
  end(entry, job_state::failed);
}

void job_store::withdraw_all(const std::string& id) {
  for (auto i = tickets_.begin(); i != tickets_.end();) {
    if (i->second.id != id) {
      ++i;
      continue;
    }
    for (auto& copy : log_.withdraw(i->first))
      ledger_.add_copy(id, copy);
    i = tickets_.erase(i);
  }
}

/// The job does not exist any more, here and, with the next commit, in the log.
void job_store::forget(const std::string& id) {
  auto i = jobs_.find(id);
  auto& entry = i->second;
  if (entry.live) {
    withdraw_all(id);
    release_names(*entry.live);
    queue_.remove(id);
    letters_.remove(id);
    spent_.remove(id);
    spool_used_ -= entry.live->spool_bytes;
  }
  if (auto key = keys_.find(&*i); key != keys_.end() && *key == &*i)
    keys_.erase(key);
  count(entry, entry.state, std::nullopt);
  jobs_.erase(i);
  if (ledger_.forget(id))
    append(id, record_kind::forgotten, encode(forgotten_record{id}));
}

} // namespace luna::storage
