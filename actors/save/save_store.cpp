#include "actors/save/save_store.hpp"

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "actors/save/save_json.hpp"
#include "actors/save/save_lister.hpp"
#include "actors/save/save_store_parts.hpp"
#include "actors/support/actor_defaults.hpp"
#include "messages/cluster.hpp"
#include "messages/error.hpp"

namespace luna {

using namespace save_store_parts;

namespace {

constexpr std::chrono::seconds upkeep_interval{60};

/// What a job that was answered at once waits for others to share its sync. The commit holds up who
/// submits meanwhile, so it must not follow every such job.
constexpr std::chrono::milliseconds soon{25};

void schedule_commit_soon(self_pointer self) {
  if (!self->state.commit_scheduled && !std::exchange(self->state.commit_soon, true))
    self->delayed_send(self, soon, keep_atom_v);
}

// -- drain ---------------------------------------------------------------------

void answer_drained(self_pointer self) {
  auto& state = self->state;
  auto busy = std::any_of(state.workers.begin(), state.workers.end(),
                          [](auto& x) { return !x.second.job.empty(); });
  if (!state.draining || busy || state.commit_scheduled)
    return;
  for (auto& promise : std::exchange(state.drained, {}))
    promise.deliver(true);
}

// -- commits -------------------------------------------------------------------

void tell(self_pointer self, const std::string& id) {
  auto& state = self->state;
  auto job = state.store->status(id);
  if (!job)
    return; // forgotten meanwhile
  self->send(state.front, answer_atom_v, id, job_json(*job), storage::is_ended(job->state));
  if (state.options->events)
    self->send(state.options->events, publish_atom_v, event{"job", job_event_json(*job)});
}

void answer(self_pointer self, save_store_state::pending_answer& x) {
  auto& store = *self->state.store;
  if (!x.last.empty()) {
    x.promise.deliver(std::move(x.last));
    return;
  }
  auto job = store.status(x.job);
  if (!job) {
    x.promise.deliver(make_error(job.error()));
  } else if (!x.submit) {
    x.promise.deliver(job_json(*job, x.changed));
  } else {
    auto counters = store.counters();
    x.promise.deliver(submit_json(*job, counters.queued + counters.running, true));
  }
}

void commit_failed(self_pointer self, const storage::job_store::commit_failure& why) {
  auto& state = self->state;
  spdlog::error("the job log cannot be written: {}", why.reason.message);
  for (auto& record : std::exchange(state.records, {}))
    record.promise.deliver(make_error(why.reason));
  for (auto& x : std::exchange(state.answers, {})) {
    auto dropped = std::find(why.dropped.begin(), why.dropped.end(), x.job) != why.dropped.end();
    if (dropped || !x.submit)
      x.promise.deliver(make_error(why.reason));
    else
      answer(self, x); // an earlier job with the same key, durable since then
  }
}

/// Says which failed jobs had to make room for others.
void tell_given_up(self_pointer self) {
  auto& state = self->state;
  for (auto& id : state.store->take_given_up()) {
    spdlog::warn(
      "the failed job {} has given up its pictures: failed jobs may hold half of the spool, "
      "{} bytes; it cannot be retried any more",
      id, state.store->counters().failed_limit);
    state.changed.insert(id);
  }
}

void commit(self_pointer self) {
  auto& state = self->state;
  tell_given_up(self);
  state.commit_scheduled = state.commit_soon = false;
  if (auto ok = state.store->commit(); !ok) {
    commit_failed(self, ok.error()); // what has changed is told after a commit that succeeds
  } else {
    for (auto& record : std::exchange(state.records, {}))
      record.promise.deliver(true);
    for (auto& x : std::exchange(state.answers, {}))
      answer(self, x);
    for (auto& id : std::exchange(state.changed, {}))
      tell(self, id);
  }
  dispatch(self);
  answer_drained(self);
}

/// Answers once the change of a job is durable. @param how without its promise.
caf::result<std::string> answer_later(self_pointer self, save_store_state::pending_answer how) {
  auto& state = self->state;
  how.promise = self->make_response_promise<std::string>();
  state.changed.insert(how.job);
  state.answers.push_back(std::move(how));
  schedule_commit(self);
  return state.answers.back().promise;
}

caf::result<std::string> answer_change(self_pointer self, const result<storage::job_change>& x) {
  if (!x)
    return make_error(x.error());
  return answer_later(self, {x->job.id, {}, false, x->changed, {}});
}

caf::result<std::string> discard(self_pointer self, const std::string& id) {
  auto last = self->state.store->discard(id);
  if (!last)
    return make_error(last.error());
  return answer_later(self, {id, {}, false, true, job_json(*last, true)});
}

// -- requests ------------------------------------------------------------------

caf::result<std::string> accept(self_pointer self, storage::new_job& job) {
  auto& state = self->state;
  if (state.draining)
    return make_error(
      failure{ec::shutting_down, "the saving node shuts down; save elsewhere", 1000, {}});
  auto accepted = state.store->accept(std::move(job));
  if (!accepted)
    return make_error(accepted.error());
  if (!accepted->at_once)
    return answer_later(self, {accepted->job.id, {}, true, {}, {}});
  state.changed.insert(accepted->job.id);
  schedule_commit_soon(self);
  auto counters = state.store->counters();
  return submit_json(accepted->job, counters.queued + counters.running, false);
}

/// The lister of a remote target that is not known to be away; null if nobody need be asked.
save_lister_actor lister_for(self_pointer self, const std::string& target) {
  auto& state = self->state;
  auto found = state.options->targets->remote.find(target);
  if (found == state.options->targets->remote.end() || !state.store->is_reachable(target))
    return {};
  auto& lister = state.listers[target];
  if (!lister) {
    lister = spawn_with(self->home_system(), state.options->workers, save_lister,
                        caf::actor_cast<save_store_actor>(self->ctrl()), found->second);
    self->monitor(lister);
  }
  return lister;
}

caf::result<std::string> submit(self_pointer self, const std::shared_ptr<storage::new_job>& job) {
  if (auto lister = lister_for(self, job->target))
    return self->delegate(lister, submit_atom_v, job);
  return accept(self, *job);
}

caf::result<std::string> list(self_pointer self, const std::string& state, uint32_t limit) {
  auto wanted = storage::job_state_of(state);
  if (!state.empty() && !wanted)
    return make_error(ec::bad_request,
                      "state '" + state + "' is none of queued, running, done, failed, cancelled");
  auto jobs = self->state.store->list(wanted, limit);
  if (!jobs)
    return make_error(jobs.error());
  return job_list_json(*jobs);
}

result<storage::job_status> ended(storage::job_store& store, const std::string& id,
                                  const attempt_report& x) {
  switch (x.how) {
  case attempt_report::ending::damaged:
    return store.pixels_damaged(id, x.error);
  case attempt_report::ending::target_away:
    return store.target_away(id, x.error);
  default:
    return store.finish_attempt(id, x.error, x.is_final, x.detail);
  }
}

void end_attempt(self_pointer self, save_store_state::worker& worker, const attempt_report& x) {
  auto id = std::exchange(worker.job, {});
  worker.idle_since = self->clock().now();
  auto job = ended(*self->state.store, id, x);
  if (!job && job.error().code == ec::unknown_job)
    spdlog::debug("job {} was cancelled and forgotten while its attempt ran", id);
  else if (!job)
    spdlog::error("job {} could not be ended: {}", id, job.error().message);
  else if (job->state == storage::job_state::failed)
    spdlog::error("job {} has failed after {} attempts: {}", id, job->attempts, job->error);
  else if (x.how == attempt_report::ending::target_away)
    spdlog::warn("the target {} is away, its jobs wait: {}", job->target, job->error);
  self->state.changed.insert(id);
  schedule_commit(self);
}

void image_ended(self_pointer self, const std::string& id, const image_report& x) {
  auto& store = *self->state.store;
  auto ok = x.error.empty() ? store.image_done(id, x.image, x.state, x.detail)
                            : store.image_failed(id, x.image, x.error);
  if (!ok)
    spdlog::error("image {} of job {}: {}", x.image, id, ok.error().message);
  self->state.changed.insert(id);
  schedule_commit(self);
}

caf::result<bool> record(self_pointer self, const std::string& id, uint32_t image,
                         const storage::file_identity& identity) {
  if (auto ok = self->state.store->publishing(id, image, identity); !ok)
    return make_error(ok.error());
  self->state.records.push_back({self->make_response_promise<bool>()});
  schedule_commit(self);
  return self->state.records.back().promise;
}

using shared_name = std::shared_ptr<const storage::file_name>;

caf::result<shared_name> rename(self_pointer self, const std::string& id, uint32_t image,
                                const std::shared_ptr<const names_there>& there) {
  auto name = self->state.store->rename(id, image, there.get());
  if (!name)
    return make_error(name.error());
  spdlog::warn("job {} writes {}: another program took the promised name", id, name->filename);
  return std::make_shared<const storage::file_name>(std::move(*name));
}

void worker_down(self_pointer self, const caf::down_msg& x) {
  std::erase_if(self->state.listers, [&](auto& lister) { return lister.second == x.source; });
  auto node = self->state.workers.extract(x.source);
  if (node.empty())
    return;
  auto& worker = node.mapped();
  if (!worker.job.empty())
    end_attempt(self, worker,
                {"the worker ended: " + self->home_system().render(x.reason),
                 attempt_report::ending::ran,
                 {},
                 false});
}

void upkeep(self_pointer self) {
  commit(self); // what a failed commit has left
  if (auto ok = self->state.store->maintain(); !ok)
    spdlog::warn("upkeep of the job log: {}", ok.error().message);
  retire_idle_workers(self);
  self->delayed_send(self, upkeep_interval, tick_atom_v);
}

caf::result<bool> drain(self_pointer self) {
  auto& state = self->state;
  state.draining = true;
  auto promise = self->make_response_promise<bool>();
  state.drained.push_back(promise);
  if (state.commit_soon)
    schedule_commit(self);
  answer_drained(self);
  return promise;
}

} // namespace

void save_store_parts::schedule_commit(self_pointer self) {
  if (!std::exchange(self->state.commit_scheduled, true))
    self->send(self, keep_atom_v);
}

save_store_state::~save_store_state() {
  auto gone = make_error(
    failure{ec::unavailable, "the save queue ended before the disk had it; ask again", 1000, {}});
  for (auto& x : answers)
    x.promise.deliver(gone);
  for (auto& x : records)
    x.promise.deliver(gone);
  for (auto& promise : drained)
    promise.deliver(gone);
  for (auto& [address, worker] : workers)
    caf::anon_send_exit(worker.handle, caf::exit_reason::user_shutdown);
  for (auto& [target, lister] : listers)
    caf::anon_send_exit(lister, caf::exit_reason::user_shutdown);
}

save_store_actor::behavior_type
save_store(self_pointer self, std::shared_ptr<save_store_options> options, save_front_actor front) {
  set_actor_defaults(self);
  auto& state = self->state;
  state.store = std::move(options->store);
  state.options = std::move(options);
  state.front = std::move(front);
  self->set_down_handler([self](caf::down_msg& x) { worker_down(self, x); });
  while (state.workers.size() < state.options->min_workers)
    start_worker(self);
  self->delayed_send(self, upkeep_interval, tick_atom_v);
  tell_given_up(self);
  dispatch(self);
  return {
    [self](submit_atom, const std::shared_ptr<storage::new_job>& job) { return submit(self, job); },
    [self](resolve_atom, const std::shared_ptr<storage::new_job>& job) {
      return accept(self, *job);
    },
    [self](status_atom, const std::string& id) -> caf::result<std::string> {
      auto job = self->state.store->status(id);
      if (!job)
        return make_error(job.error());
      return job_json(*job);
    },
    [self](cancel_atom, const std::string& id) {
      return answer_change(self, self->state.store->cancel(id));
    },
    [self](retry_atom, const std::string& id) {
      return answer_change(self, self->state.store->retry(id));
    },
    [self](discard_atom, const std::string& id) { return discard(self, id); },
    [self](list_atom, const std::string& state, uint32_t limit) {
      return list(self, state, limit);
    },
    [self](status_atom) {
      return counters_json(self->state.store->counters(), self->state.workers.size(),
                           self->state.options->clock());
    },
    [self](drain_atom) { return drain(self); },
    [self](publish_atom, const std::string& id, uint32_t image,
           const std::shared_ptr<const storage::file_identity>& identity) {
      return record(self, id, image, *identity);
    },
    [self](resolve_atom, const std::string& id, uint32_t image,
           const std::shared_ptr<const names_there>& there) {
      return rename(self, id, image, there);
    },
    [self](answer_atom, const std::string& id, const image_report& x) { image_ended(self, id, x); },
    [self](release_atom, const std::string& id, const attempt_report& x) {
      auto i = self->state.workers.find(caf::actor_cast<caf::actor_addr>(self->current_sender()));
      if (i != self->state.workers.end() && i->second.job == id)
        end_attempt(self, i->second, x);
    },
    [self](keep_atom) { commit(self); },
    [self](tick_atom) { upkeep(self); },
    [self](restart_atom) {
      self->state.due.reset();
      dispatch(self);
    },
  };
}

} // namespace luna
