#include <algorithm>
#include <set>
#include <utility>

#include "storage/job_store.hpp"
#include "storage/target.hpp"

// What happens to a job between being queued and its end.

namespace luna::storage {

result<tensor_block> job_work::read_pixels(const image& which) const {
  auto bytes = pixels.read(which.index);
  if (!bytes)
    return fail(bytes);
  auto count = element_count(which.shape);
  if (!count || *count > (*bytes)->size() || *count * size_of(which.type) != (*bytes)->size())
    return fail(ec::internal, "image " + std::to_string(which.index) + " of job " + id
                                + " has another number of bytes than its shape");
  return tensor_block{which.type, which.shape, std::span{**bytes}, *bytes};
}

std::optional<job_work> job_store::take() {
  // A failure shows at the next commit, or goes away; nothing depends on it.
  names_.look_after(64);
  if (uncommitted_.empty())
    static_cast<void>(reclaim(reclaim_mode::without_pixels, 1));
  auto blocked = [this](const std::string& id) { return is_blocked(id); };
  auto now = heed_clock();
  auto turn_of = [&](const std::string& lane) {
    if (!lanes_.may_start(lane, now))
      return lane_turn::none;
    // It may be one job that cannot go there: all of them are tried before it comes again.
    return lanes_.held_until(lane) ? lane_turn::next : lane_turn::first;
  };
  while (auto id = queue_.take(now, turn_of, blocked)) {
    auto work = begin_attempt(*id, *jobs_.at(*id).live);
    if (work)
      return std::move(*work);
    fail_damaged(*id, work.error().message);
  }
  return std::nullopt;
}

/// The time. What waits for a moment that is far again, because the clock was set back, waits no
/// more.
time_point job_store::heed_clock() {
  auto now = options_.clock();
  if (now + options_.first_backoff < latest_) {
    queue_.make_all_due();
    lanes_.end_pauses(now);
  }
  return latest_ = now;
}

/// Whether an older job that still runs is to write one of the names: only then the younger one's
/// file may replace it.
bool job_store::is_blocked(const std::string& id) const {
  auto& images = jobs_.at(id).live->status.images;
  return std::any_of(images.begin(), images.end(), [&](auto& image) {
    if (!image.name.overwrite || is_written(image.state))
      return false;
    for (auto& holder : names_.holders(image.name)) {
      if (holder == id)
        return false;
      // One that was cancelled may be forgotten while what it has under way still appears.
      if (abandoned_.contains(holder) || !is_ended(jobs_.at(holder).state))
        return true;
    }
    return false;
  });
}

result<job_work> job_store::begin_attempt(const std::string& id, live_job& job) {
  auto place = ledger_.accepted(id);
  auto found = log_.read(place);
  if (!found)
    return fail(found);
  auto decoded = decode_record(found->kind, found->payload);
  auto record = decoded ? std::get_if<accepted_record>(&*decoded) : nullptr;
  if (!record || record->images.size() != job.status.images.size()
      || found->pieces.size() != record->images.size())
    return fail(ec::internal, "the record of job " + id + " is another one than was written");
  auto pixels = log_.pieces_of(place, std::move(found->pieces));
  if (!pixels)
    return fail(pixels);

  job_work work;
  work.id = id;
  work.target = job.status.target;
  work.task = std::move(record->task);
  work.plan = std::move(record->plan);
  work.attempt = job.status.attempts + 1;
  work.created = job.status.created;
  work.pixels = std::move(*pixels);
  work.only_check = job.cancel_requested;
  for (auto& image : job.status.images) {
    auto& described = record->images[image.index];
    job_work::image item{image.index,
                         image.name,
                         described.type,
                         described.shape,
                         job.recorded[image.index],
                         {},
                         wanted_of(job, image.index).stem};
    if (is_written(image.state)) {
      work.written.push_back(std::move(item));
    } else if (!work.only_check || item.recorded) {
      image.state = image_state::waiting;
      image.error.clear();
      work.images.push_back(std::move(item));
    }
  }
  add_markers(work);
  set_state(jobs_.at(id), job_state::running);
  ++job.interruptions;
  // Not synced: it is there to be found when this process dies, not when the power goes.
  append(id, record_kind::started, encode(started_record{id}));
  return work;
}

/// The image that comes last of those with one marker takes it away.
void job_store::add_markers(job_work& work) const {
  std::set<std::string> given;
  for (auto image = work.images.rbegin(); image != work.images.rend(); ++image) {
    auto marker = names_.marker_of(work.id, image->name);
    if (given.insert(image->name.root + '/' + image->name.subfolder + '/' + marker).second)
      image->marker = std::move(marker);
  }
}

std::optional<time_point> job_store::next_due() const {
  return queue_.next_due(options_.clock(),
                         [this](const std::string& lane) { return lanes_.held_until(lane); });
}

result<live_job*> job_store::running(const std::string& id) {
  auto i = jobs_.find(id);
  if (i == jobs_.end())
    return fail(ec::unknown_job, "there is no job " + id);
  if (i->second.state != job_state::running)
    return fail(ec::internal, "job " + id + " is not running");
  return i->second.live.get();
}

result<void> job_store::publishing(const std::string& id, uint32_t image,
                                   const file_identity& identity) {
  if (abandoned_.contains(id))
    return fail(ec::cancelled, "job " + id + " was cancelled");
  auto job = running(id);
  if (!job)
    return fail(job);
  if ((*job)->cancel_requested)
    return fail(ec::cancelled, "job " + id + " was cancelled");
  auto& status = (*job)->status.images.at(image);
  status.state = image_state::publishing;
  (*job)->recorded.at(image) = identity;
  publishing_record record{
    id, image, status.name, temporary_name(id, image), identity, status.renamed_from};
  append(id, record_kind::publishing, encode(record));
  return {};
}

result<file_name> job_store::rename(const std::string& id, uint32_t image,
                                    const name_reservations::names_there* there) {
  if (abandoned_.contains(id))
    return fail(ec::cancelled, "job " + id + " was cancelled");
  auto running_job = running(id);
  if (!running_job)
    return fail(running_job);
  auto& job = **running_job;
  auto& status = job.status.images.at(image);
  auto next = names_.rename(id, wanted_of(job, image), status.name, there);
  if (!next)
    return next;
  if (status.renamed_from.empty())
    status.renamed_from = status.name.filename;
  status.name = *next;
  job.recorded.at(image).reset();
  return next;
}

result<void> job_store::image_done(const std::string& id, uint32_t image, image_state state,
                                   std::string detail) {
  if (abandoned_.contains(id))
    return note_late_image(id, image, state, std::move(detail));
  auto job = running(id);
  if (!job)
    return fail(job);
  auto& status = (*job)->status.images.at(image);
  status.state = state;
  status.error.clear();
  status.detail = std::move(detail);
  (*job)->recorded.at(image).reset();
  (*job)->interruptions = 0;
  names_.release(id, status.name);
  lanes_.came_up((*job)->lane());
  append(id, record_kind::image_done, encode(image_done_record{id, image, state, status.detail}));
  return {};
}

result<void> job_store::image_failed(const std::string& id, uint32_t image, std::string error) {
  if (abandoned_.contains(id))
    return {};
  auto job = running(id);
  if (!job)
    return fail(job);
  auto& status = (*job)->status.images.at(image);
  status.state = image_state::failed;
  status.error = std::move(error);
  return {};
}

result<job_status> job_store::finish_attempt(const std::string& id, std::string error,
                                             bool permanent, std::string detail) {
  if (abandoned_.contains(id))
    return end_abandoned(id);
  auto running_job = running(id);
  if (!running_job)
    return fail(running_job);
  auto& job = **running_job;
  auto& images = job.status.images;
  auto written = [](const image_status& x) { return is_written(x.state); };
  ++job.status.attempts;
  job.interruptions = 0;
  lanes_.came_up(job.lane());
  job.status.error = std::move(error);
  if (!detail.empty())
    job.status.detail = std::move(detail);
  if (job.status.error.empty()) {
    auto first =
      std::find_if(images.begin(), images.end(), [](auto& x) { return !x.error.empty(); });
    if (first != images.end())
      job.status.error = first->error;
  }
  auto& entry = jobs_.at(id);
  if (std::all_of(images.begin(), images.end(), written) && job.status.error.empty()) {
    end(entry, job_state::done);
  } else if (job.cancel_requested) {
    end(entry, job_state::cancelled);
  } else if (permanent || job.status.attempts >= options_.attempts) {
    end(entry, job_state::failed);
    bound_dead_letters();
  } else {
    auto doublings = std::min<uint32_t>(job.status.attempts - 1, 20);
    auto backoff = std::min(options_.first_backoff * (1 << doublings), options_.max_backoff);
    wait_again(id, entry, options_.clock() + backoff);
  }
  return job.status;
}

void job_store::wait_again(const std::string& id, entry& entry, time_point due) {
  auto& job = *entry.live;
  job.status.next_attempt = due;
  set_state(entry, job_state::queued);
  append_snapshot(job);
  queue_.add(id, job.lane(), job.priority, due);
}

result<job_status> job_store::target_away(const std::string& id, std::string error) {
  if (auto left = abandoned_.find(id); left != abandoned_.end()) {
    lanes_.went_down(left->second.lane, std::move(error), options_.clock());
    return end_abandoned(id);
  }
  auto running_job = running(id);
  if (!running_job)
    return fail(running_job);
  auto& job = **running_job;
  auto& entry = jobs_.at(id);
  auto retry_at = lanes_.went_down(job.lane(), error, options_.clock());
  job.interruptions = 0;
  job.status.error = std::move(error);
  for (auto& image : job.status.images)
    if (!is_written(image.state)) {
      image.state = image_state::waiting;
      image.error.clear();
    }
  auto may_be_written =
    std::any_of(job.recorded.begin(), job.recorded.end(), [](auto& x) { return x.has_value(); });
  if (job.cancel_requested && !may_be_written)
    end(entry, job_state::cancelled);
  else
    wait_again(id, entry, retry_at);
  return job.status;
}

/// Puts the job into an ended state. Its names stay promised only if it can be retried.
void job_store::end(entry& ended, job_state state) {
  auto& job = *ended.live;
  set_state(ended, state);
  job.status.ended = ended.ended = options_.clock();
  for (auto& image : job.status.images)
    if (!is_written(image.state))
      image.state = state == job_state::cancelled ? image_state::cancelled : image_state::failed;
  auto may_be_retried = state == job_state::failed && job.status.pixels == pixel_state::kept;
  if (state == job_state::failed)
    (may_be_retried ? letters_ : spent_).add(job.status.id, ended.ended, job.spool_bytes);
  if (!may_be_retried)
    release_names(job);
  else
    hide_names(job);
  auto ticket = append_snapshot(job);
  if (state != job_state::failed)
    job.final_ticket = ticket;
}

result<job_status> job_store::pixels_damaged(const std::string& id, std::string error) {
  if (abandoned_.contains(id))
    return end_abandoned(id);
  auto job = running(id);
  if (!job)
    return fail(job);
  fail_damaged(id, error);
  return (*job)->status;
}

} // namespace luna::storage
