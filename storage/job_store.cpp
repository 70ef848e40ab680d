#include "storage/job_store.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "base/nearest.hpp"
#include "storage/destination.hpp"
#include "storage/digest.hpp"
#include "storage/job_names.hpp"

namespace luna::storage {

namespace {

using namespace std::chrono_literals;

constexpr size_t max_key_bytes = 200;

/// Done jobs that are forgotten at once to make room for a new one.
constexpr size_t forgotten_at_once = 64;

std::vector<piece_entry> table_of(const new_job& job) {
  std::vector<piece_entry> table;
  for (auto& image : job.images)
    table.push_back({image.pixels.size_bytes(), crc32c(image.pixels.bytes())});
  return table;
}

/// Of what a key must be used again for: the task and the pixels, these by their checksums.
sha256_digest digest_of(const new_job& job, const std::vector<piece_entry>& table) {
  sha256 digest;
  digest.add_field(job.task);
  for (size_t i = 0; i < table.size(); ++i) {
    digest.add_field(to_string(job.images[i].pixels.type()));
    digest.add_field(format_shape(job.images[i].pixels.shape()));
    digest.add(std::as_bytes(std::span{&table[i].crc, 1}));
  }
  return digest.finish();
}

result<void> check(const new_job& job) {
  if (job.images.empty())
    return fail(ec::bad_request, "the job has no images; name at least one tensor");
  if (job.images.size() > max_pieces)
    return fail(ec::bad_request, "the job has " + std::to_string(job.images.size())
                                   + " images; split it, " + std::to_string(max_pieces)
                                   + " are allowed");
  if (job.key.size() > max_key_bytes)
    return fail(ec::bad_request, "key has " + std::to_string(job.key.size())
                                   + " bytes; use at most " + std::to_string(max_key_bytes));
  return {};
}

accepted_record make_record(const new_job& job, std::string id, time_point now,
                            const sha256_digest& digest, std::vector<file_name> names) {
  accepted_record x{std::move(id), job.key,  now, job.priority, digest,
                    job.task,      job.plan, {},  job.target};
  for (size_t i = 0; i < names.size(); ++i)
    x.images.push_back({std::move(names[i]), job.images[i].pixels.type(),
                        job.images[i].pixels.shape(), job.images[i].detail, job.images[i].name});
  return x;
}

} // namespace

job_store::job_store(std::shared_ptr<file_system> files, std::string node, job_log log,
                     job_store_options options)
  : files_(std::move(files)), node_(std::move(node)), options_(std::move(options)),
    log_(std::move(log)), names_(files_, node_),
    lanes_({options_.workers, options_.first_backoff, options_.max_backoff}, options_.lanes) {
  log_.on_durable = [this](uint64_t ticket, const log_place& place,
                           const std::vector<log_place>& copies) {
    became_durable(ticket, place, copies);
  };
}

result<accepted> job_store::accept(new_job job) {
  if (auto ok = check(job); !ok)
    return fail(ok);
  auto table = table_of(job);
  auto digest = digest_of(job, table);
  auto known = find_known(job, digest);
  if (!known)
    return fail(known);
  if (*known)
    return std::move(**known);

  if (auto ok = choose_root(job); !ok)
    return fail(ok);
  std::vector<name_request> wanted;
  for (auto& image : job.images)
    wanted.push_back(image.name);
  if (auto ok = job.target.empty() ? check_destination(*files_, wanted) : check_object_keys(wanted);
      !ok)
    return fail(ok);
  auto id = next_id();
  auto names =
    job.target.empty() ? names_.reserve(id, wanted) : names_.reserve(job.names_there, id, wanted);
  if (!names)
    return fail(names);
  auto record = make_record(job, id, options_.clock(), digest, *names);
  auto payload = encode(record);
  auto bytes = record_bytes(table, payload.size());
  auto at = jobs_.try_emplace(ledger_.know(id)).first;
  auto& entry = at->second;
  entry.key = record.key;
  entry.live = std::make_unique<live_job>(make_live(record, bytes));
  if (!job.key.empty())
    keys_.insert(&*at);
  spool_used_ += bytes;
  count(entry, std::nullopt, job_state::queued);
  uncommitted_.insert(id);

  auto write = [&]() -> result<void> {
    if (payload.size() > max_payload_bytes)
      return fail(ec::bad_request, "the task has " + std::to_string(payload.size()) + " bytes; "
                                     + std::to_string(max_payload_bytes) + " are allowed");
    if (auto ok = make_room(bytes); !ok)
      return ok;
    std::vector<tensor_block> pieces;
    for (auto& image : job.images)
      pieces.push_back(std::move(image.pixels));
    auto ticket =
      log_.append(record_kind::accepted, std::move(payload), std::move(pieces), std::move(table));
    tickets_[ticket] = {id, record_kind::accepted};
    auto written = log_.write();
    if (!written)
      problem_ = written.error().message;
    return written;
  };
  if (auto ok = write(); !ok) {
    drop(id);
    return fail(ok);
  }
  if (job.target.empty())
    unshown_.push_back(id);
  // After a commit that failed nobody is told anything before the next one has succeeded.
  entry.acknowledged = job.fast && problem_.empty();
  return accepted{entry.live->status, false, entry.acknowledged};
}

/// Lets others see what is promised. Once the record is durable, so that a marker is never without
/// its job; a name that another node was faster with becomes another one before anybody is told, or
/// says so (`renamed_from`) if the job was acknowledged at once.
/// @returns whether there is something to make durable.
bool job_store::show_names() {
  bool any_changed = false;
  for (auto& id : std::exchange(unshown_, {})) {
    auto i = jobs_.find(id);
    if (i == jobs_.end() || !i->second.live || is_ended(i->second.state))
      continue;
    auto& job = *i->second.live;
    std::vector<file_name> names;
    std::vector<name_request> wanted;
    for (auto& image : job.status.images) {
      names.push_back(image.name);
      wanted.push_back(wanted_of(job, image.index));
    }
    if (!names_.show(id, wanted, names))
      continue;
    for (size_t n = 0; n < names.size(); ++n) {
      auto& image = job.status.images[n];
      if (i->second.acknowledged && names[n] != image.name)
        image.renamed_from = image.name.filename;
      image.name = std::move(names[n]);
    }
    append_snapshot(job);
    any_changed = true;
  }
  return any_changed;
}

/// The addresses of a remote target's objects begin with its root, whatever folder was asked for.
result<void> job_store::choose_root(new_job& job) const {
  if (job.target.empty())
    return {};
  for (auto& lane : options_.lanes) {
    if (!lane.remote || lane.name != job.target)
      continue;
    for (auto& image : job.images)
      image.name.root = lane.root;
    return {};
  }
  std::vector<std::string> known{"folder"};
  for (auto& lane : options_.lanes)
    if (lane.remote)
      known.push_back(lane.name);
  return fail(ec::bad_request, "there is no target \"" + job.target + "\""
                                 + did_you_mean(job.target, known)
                                 + "; the saving node's configuration names them");
}

/// The job that has the key already, if it is one that can stand for the new one.
result<std::optional<accepted>> job_store::find_known(const new_job& job,
                                                      const sha256_digest& digest) {
  if (job.key.empty())
    return std::nullopt;
  auto known = keys_.find(job.key);
  if (known == keys_.end())
    return std::nullopt;
  std::string id{(*known)->first};
  auto& entry = jobs_.at(id);
  if (entry.live && entry.live->status.pixels != pixel_state::kept) {
    // Its pixels are gone; the client brings them again.
    forget(id);
    return std::nullopt;
  }
  sha256_digest first;
  job_status status;
  if (entry.live) {
    first = entry.live->digest;
    status = entry.live->status;
  } else {
    auto snapshot = read_snapshot(id);
    if (!snapshot)
      return fail(snapshot);
    first = snapshot->digest;
    status = status_of(*snapshot);
  }
  if (first != digest)
    return fail(ec::bad_request, "key \"" + job.key + "\" was used for another task, job " + id
                                   + "; use a new key for a new task");
  return accepted{std::move(status), true, false};
}

/// Why there is no room for a job of so many bytes, which is counted already.
std::string job_store::full_spool(uint64_t bytes) const {
  auto waiting = spool_used_ - bytes - letters_.bytes();
  auto text = "the spool of " + std::to_string(options_.spool_bytes)
            + " bytes is full: " + std::to_string(waiting) + " bytes wait to be written";
  if (letters_.size() > 0)
    text += ", " + std::to_string(letters_.bytes()) + " are held by "
          + std::to_string(letters_.size())
          + " failed jobs: retry them or discard them (job_list with the state failed, job_retry, "
            "job_discard)";
  return text + "; submit again later";
}

/// Keeps the bounds. The job itself is counted already.
result<void> job_store::make_room(uint64_t bytes) {
  if (bytes > options_.spool_bytes)
    return fail(ec::bad_request, "the job has " + std::to_string(bytes)
                                   + " bytes, more than the whole spool of "
                                   + std::to_string(options_.spool_bytes) + "; split it");
  if (spool_used_ > options_.spool_bytes)
    return fail(ec::overloaded, full_spool(bytes), 1000ms);
  if (jobs_.size() <= options_.max_jobs)
    return {};
  for (auto& id : ended_before(time_point::max(), false))
    if (!jobs_.at(id).live)
      forget(id);
  for (size_t n = 0; n < forgotten_at_once && jobs_.size() > options_.max_jobs && spent_.size() > 0;
       ++n)
    forget(std::string{spent_.oldest()});
  if (jobs_.size() > options_.max_jobs)
    return fail(ec::overloaded,
                "there are " + std::to_string(options_.max_jobs)
                  + " jobs that are not written; submit again later",
                5000ms);
  return {};
}

/// Grows, also when the clock goes back.
std::string job_store::next_id() {
  auto now = static_cast<int64_t>(options_.clock().time_since_epoch().count());
  if (now > last_id_time_) {
    last_id_time_ = now;
    last_id_count_ = 0;
  }
  return job_id(last_id_time_, ++last_id_count_, options_.log.random);
}

/// Takes back a job that was accepted and is not durable.
void job_store::drop(const std::string& id) {
  forget(id);
  uncommitted_.erase(id);
}

/// A job that was acknowledged and cannot be kept: it stays visible, and its key may be used again.
void job_store::lose(const std::string& id, const std::string& why) {
  withdraw_all(id);
  uncommitted_.erase(id);
  jobs_.at(id).durable = true; // what is left of it is in its last record
  fail_damaged(id, "its pictures are lost: it was acknowledged before it was durable, and then "
                   "the job log could not be written: "
                     + why);
}

tl::expected<void, job_store::commit_failure> job_store::commit() {
  if (!log_.dirty())
    return {};
  auto synced = log_.sync();
  if (synced && show_names())
    synced = log_.sync();
  if (synced) {
    ++commits_;
    problem_.clear();
    return {};
  }
  problem_ = synced.error().message;
  commit_failure why{synced.error(), {}};
  for (auto& id : std::set<std::string>{uncommitted_.begin(), uncommitted_.end()}) {
    auto& entry = jobs_.at(id);
    if (entry.acknowledged && !is_ended(entry.state)) {
      lose(id, synced.error().message);
      continue;
    }
    drop(id);
    why.dropped.push_back(id);
  }
  return tl::make_unexpected(std::move(why));
}

void job_store::became_durable(uint64_t ticket, const log_place& place,
                               const std::vector<log_place>& copies) {
  auto node = tickets_.extract(ticket);
  if (node.empty())
    return;
  auto& [id, kind] = node.mapped();
  ledger_.add(id, kind, place);
  for (auto& copy : copies)
    ledger_.add_copy(id, copy);
  auto i = jobs_.find(id);
  if (i == jobs_.end())
    return;
  auto& entry = i->second;
  if (kind == record_kind::accepted && uncommitted_.erase(id) > 0) {
    entry.durable = true;
    if (entry.state == job_state::queued)
      queue_.add(id, entry.live->lane(), entry.live->priority, entry.live->status.next_attempt);
  }
  if (kind == record_kind::snapshot && entry.live && entry.live->final_ticket == ticket) {
    ledger_.drop_pixels(id);
    spool_used_ -= entry.live->spool_bytes;
    entry.live.reset();
  }
}

} // namespace luna::storage
