#include "storage/job_recovery.hpp"

#include <algorithm>
#include <utility>

#include "storage/job_names.hpp"
#include "storage/node_identity.hpp"

namespace luna::storage {

namespace {

/// How many attempts may die with the process, without any progress, before a job is given up. Far
/// above `attempts`: a node that is killed again and again is no fault of the job.
constexpr uint32_t interruptions_per_attempt = 3;

} // namespace

result<job_store::opened> job_store::open(std::shared_ptr<file_system> files,
                                          const std::shared_ptr<directory>& data,
                                          job_store_options options) {
  auto log_folder = make_below(data, "log");
  if (!log_folder)
    return fail_io(log_folder);
  auto node = node_identity(*data, options.log.random);
  if (!node)
    return fail(node);
  auto log = job_log::open(*log_folder, options.log);
  if (!log)
    return fail(log);
  opened x;
  x.report.damages = std::move(log->damages);
  x.store.reset(
    new job_store{std::move(files), std::move(*node), std::move(log->log), std::move(options)});
  store_recovery{*x.store, x.report}.run(std::move(log->records));
  x.store->damages_ += x.report.damages.size();
  // What was found out is written down; if that fails now it is found out again next time.
  static_cast<void>(x.store->commit());
  return x;
}

void store_recovery::run(std::vector<found_record> records) {
  for (auto& record : records)
    gather(std::move(record));
  // By id, so that the order is the same in every run and names go to the older job first.
  std::vector<std::string> ids;
  ids.reserve(jobs_.size());
  for (auto& [id, job] : jobs_)
    ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  for (auto& id : ids)
    build(id, jobs_.at(id));
  // The spool may have been made smaller.
  store_.bound_dead_letters();
}

void store_recovery::gather(found_record found) {
  auto record = decode_record(found.kind, found.payload);
  if (!record) {
    report_.damages.push_back({"segment " + std::to_string(found.place.segment), found.place.offset,
                               found.place.bytes, false,
                               "the record at offset " + std::to_string(found.place.offset)
                                 + " of segment " + std::to_string(found.place.segment)
                                 + " is of no known kind; was a newer luna here?"});
    return;
  }
  auto id = job_of(*record);
  auto kind = static_cast<record_kind>(found.kind);
  store_.last_id_time_ = std::max(store_.last_id_time_, time_of_id(id) + 1);
  if (kind == record_kind::forgotten) {
    store_.ledger_.forget(id);
    jobs_.erase(id);
  }
  store_.ledger_.add(id, kind, found.place);
  if (kind == record_kind::forgotten)
    return;
  auto& job = jobs_[id];
  if (auto accepted = std::get_if<accepted_record>(&*record)) {
    job.live = std::make_unique<live_job>(make_live(*accepted, found.place.bytes));
    job.pieces = std::move(found.pieces);
    job.accepted = found.place;
    job.synced = found.synced;
  } else {
    job.changes.push_back(std::move(*record));
  }
}

void store_recovery::build(const std::string& id, gathered& job) {
  auto snapshot = std::find_if(job.changes.rbegin(), job.changes.rend(),
                               [](auto& x) { return std::holds_alternative<snapshot_record>(x); });
  if (!job.live && snapshot == job.changes.rend()) {
    // Its accepted record was damaged (and reported) before anything else was known of it.
    store_.ledger_.forget(id);
    return;
  }
  auto lost = !job.live;
  if (lost)
    job.live = std::make_unique<live_job>();
  for (auto& change : job.changes)
    apply(*job.live, change);
  if (lost && job.live->status.state != job_state::done
      && job.live->status.state != job_state::cancelled
      && job.live->status.pixels == pixel_state::kept) {
    job.live->status.pixels = pixel_state::damaged;
    job.live->status.error = "the record with its pixels is lost; see the start of the log";
  }
  settle(id, job);
}

void store_recovery::apply(live_job& job, const job_record& change) {
  if (auto x = std::get_if<snapshot_record>(&change)) {
    // A snapshot of another job under this id would have passed its checksum: impossible, but an
    // index out of range must not follow from it.
    if (job.status.images.empty() || job.status.images.size() == x->images.size())
      apply_snapshot(job, *x);
  } else if (std::holds_alternative<started_record>(change)) {
    job.status.state = job_state::running;
    ++job.interruptions;
  } else if (auto done = std::get_if<image_done_record>(&change)) {
    if (done->image >= job.status.images.size())
      return;
    auto& image = job.status.images[done->image];
    image.state = done->state;
    image.error.clear();
    image.detail = done->detail;
    job.recorded[done->image].reset();
    job.interruptions = 0;
  } else if (auto about = std::get_if<publishing_record>(&change)) {
    if (about->image >= job.status.images.size())
      return;
    auto& image = job.status.images[about->image];
    image.state = image_state::publishing;
    image.name = about->name;
    image.renamed_from = about->renamed_from;
    job.recorded[about->image] = about->identity;
  }
}

/// Puts the job into the store in the state in which it goes on.
void store_recovery::settle(const std::string& id, gathered& job) {
  auto at = store_.jobs_.try_emplace(store_.ledger_.know(id)).first;
  auto& entry = at->second;
  auto& live = *job.live;
  auto& status = live.status;
  entry.durable = true;
  // Two jobs of one key are never accepted; should a log say so, the older one keeps it.
  if (store_.keys_.contains(status.key))
    status.key.clear();
  entry.ended = status.ended;
  entry.key = status.key;
  if (!entry.key.empty())
    store_.keys_.insert(&*at);
  if (status.state == job_state::running)
    status.state = job_state::queued;
  entry.state = status.state;
  for (auto& image : status.images) {
    store_.names_.may_be_littered(image.name);
    if (!image.renamed_from.empty())
      store_.names_.may_be_littered(
        {image.name.root, image.name.subfolder, image.renamed_from, false});
  }
  if (status.state == job_state::done || status.state == job_state::cancelled) {
    store_.count(entry, std::nullopt, entry.state);
    store_.ledger_.drop_pixels(id);
    ++report_.ended;
    return;
  }
  entry.live = std::move(job.live);
  auto kept = status.pixels == pixel_state::kept;
  if (!kept) {
    live.spool_bytes = 0;
    store_.ledger_.drop_pixels(id);
  }
  store_.count(entry, std::nullopt, entry.state);
  store_.spool_used_ += live.spool_bytes;
  auto all_written = true;
  for (auto& image : status.images) {
    if (is_written(image.state))
      continue;
    all_written = false;
    if (kept)
      store_.names_.restore(id, image.name, status.state == job_state::queued);
    if (status.state == job_state::queued)
      image.state = image_state::waiting;
  }
  if (!kept && status.state == job_state::queued)
    store_.fail_damaged(id, status.error);
  else if (status.state == job_state::failed)
    (kept ? store_.letters_ : store_.spent_).add(id, status.ended, live.spool_bytes);
  else if (status.state == job_state::queued && all_written)
    finish(entry);
  else if (status.state == job_state::queued && live.cancel_requested && !status.target.empty())
    store_.cancel_now(id, entry); // an older version waited for the target
  else if (status.state == job_state::queued)
    queue(id, job);
  ++(is_ended(entry.state) ? report_.ended : report_.queued);
}

/// All images have their names; only the last record of the job was not written.
void store_recovery::finish(job_store::entry& entry) {
  auto& status = entry.live->status;
  ++status.attempts;
  status.error.clear();
  store_.end(entry, job_state::done);
}

/// What a power cut may have torn is read: a client that asks again must not be told that its job
/// is there. All other pixels are checked when they are used, however many wait.
result<void> store_recovery::check_pixels(const job_status& status, const gathered& job) const {
  auto reader = store_.log_.pieces_of(job.accepted, job.pieces);
  if (!reader)
    return fail(reader);
  if (reader->size() != status.images.size())
    return fail(ec::internal, "image without pixels in the log");
  for (auto& image : status.images)
    if (!job.synced && !is_written(image.state))
      if (auto ok = reader->check(image.index); !ok)
        return ok;
  return {};
}

void store_recovery::queue(const std::string& id, const gathered& job) {
  auto& live = *store_.jobs_.at(id).live;
  if (auto ok = check_pixels(live.status, job); !ok) {
    report_.damages.push_back(
      {"", job.accepted.offset, job.accepted.bytes, false, ok.error().message});
    return store_.fail_damaged(id, ok.error().message);
  }
  if (live.interruptions >= interruptions_per_attempt * store_.options_.attempts) {
    live.status.error = "the node stopped " + std::to_string(live.interruptions)
                      + " times while it saved this job; retry it once that is understood";
    return store_.end(store_.jobs_.at(id), job_state::failed);
  }
  // The clock may have been set back meanwhile.
  auto latest = store_.options_.clock() + store_.options_.max_backoff;
  live.status.next_attempt = std::min(live.status.next_attempt, latest);
  store_.queue_.add(id, live.lane(), live.priority, live.status.next_attempt);
}

} // namespace luna::storage
