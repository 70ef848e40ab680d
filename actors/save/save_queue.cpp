#include "actors/save/save_queue.hpp"

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "actors/save/save_intake.hpp"
#include "actors/save/save_store.hpp"
#include "actors/support/actor_defaults.hpp"
#include "actors/support/timed_request.hpp"
#include "messages/error.hpp"
#include "storage/publisher.hpp"

namespace luna {

namespace {

using self_pointer = save_front_actor::stateful_pointer<save_queue_state>;

/// A sync of a busy disk may take seconds; more than this is a defect.
constexpr std::chrono::seconds store_patience{60};

/// Lets the store answer: nobody waits for this actor then, should it end.
template <class... Ts>
caf::result<std::string> ask_store(self_pointer self, const Ts&... xs) {
  return self->delegate(self->state.store, xs...);
}

/// Whether a job_status object speaks of a job that is at an end.
bool is_ended_json(const std::string& json) {
  for (auto* state : {"\"state\":\"done\"", "\"state\":\"failed\"", "\"state\":\"cancelled\""}) {
    // The job's own state stands before its images.
    auto at = json.find(state);
    if (at != std::string::npos && at < json.find("\"progress\""))
      return true;
  }
  return false;
}

using waiter_key = save_queue_state::waiter_key;

bool waits_for_something(const save_queue_state& state, const caf::actor_addr& who) {
  auto i = state.waiters.lower_bound({who, 0});
  return i != state.waiters.end() && i->first.first == who;
}

/// Answers one who waits, and forgets it. No effect if it has its answer.
void end_wait(self_pointer self, const waiter_key& key, result<std::string> answer) {
  auto node = self->state.waiters.extract(key);
  if (node.empty())
    return;
  auto& promise = node.mapped().promise;
  if (answer)
    promise.deliver(std::move(*answer));
  else
    promise.deliver(make_error(answer.error()));
  if (!waits_for_something(self->state, key.first))
    self->demonitor(key.first);
}

caf::result<std::string> wait(self_pointer self, const std::string& job, uint32_t timeout_ms) {
  auto& state = self->state;
  auto who = caf::actor_cast<caf::actor_addr>(self->current_sender());
  waiter_key key{who, request_number(self)};
  auto promise = self->make_response_promise<std::string>();
  auto deadline = self->clock().now() + std::chrono::milliseconds{timeout_ms};
  if (!waits_for_something(state, who))
    self->monitor(who); // it, or its node, may die
  // Registered before the store is asked: a change in between is not lost.
  state.waiters.emplace(key, save_queue_state::waiter{job, promise, deadline});
  schedule(self, state.wake, deadline);
  timed_request(self, store_patience, state.store, status_atom_v, job)
    .then(
      [self, key](std::string& x) {
        if (is_ended_json(x))
          end_wait(self, key, std::move(x));
      },
      [self, key](const caf::error& err) {
        end_wait(self, key, tl::make_unexpected(to_failure(err, "the save store")));
      });
  return promise;
}

/// Answers those whose time is over with the state that their job has now.
void end_overdue_waits(self_pointer self, uint64_t generation) {
  auto& state = self->state;
  if (!state.wake.woke(generation))
    return;
  auto now = self->clock().now();
  std::optional<wake_up::time_point> next;
  for (auto& [key, x] : state.waiters) {
    if (x.deadline > now) {
      next = next ? std::min(*next, x.deadline) : x.deadline;
    } else if (!std::exchange(x.over, true)) {
      timed_request(self, store_patience, state.store, status_atom_v, x.job)
        .then([self, key = key](std::string& x) { end_wait(self, key, std::move(x)); },
              [self, key = key](const caf::error& err) {
                end_wait(self, key, tl::make_unexpected(to_failure(err, "the save store")));
              });
    }
  }
  if (next)
    schedule(self, state.wake, *next);
}

/// Who waited is gone.
void drop_waits(self_pointer self, const caf::actor_addr& who) {
  auto& waiters = self->state.waiters;
  for (auto i = waiters.lower_bound({who, 0}); i != waiters.end() && i->first.first == who;)
    i = waiters.erase(i);
}

void job_changed(self_pointer self, const std::string& job, const std::string& json, bool ended) {
  if (!ended)
    return;
  std::vector<waiter_key> over;
  for (auto& [key, x] : self->state.waiters)
    if (x.job == job)
      over.push_back(key);
  for (auto& key : over)
    end_wait(self, key, json);
}

caf::result<bool> drain(self_pointer self) {
  self->state.draining = true;
  return self->delegate(self->state.store, drain_atom_v);
}

caf::result<std::string> submit(self_pointer self, save_submission& x) {
  if (self->state.draining)
    return make_error(
      failure{ec::shutting_down, "the saving node shuts down; save elsewhere", 1000, {}});
  return self->delegate(self->state.intake, submit_atom_v, std::move(x));
}

save_front_actor::behavior_type save_queue(self_pointer self,
                                           std::shared_ptr<save_store_options> store,
                                           std::shared_ptr<output_folders> folders,
                                           thread_policy helpers) {
  set_actor_defaults(self);
  auto& state = self->state;
  auto me = caf::actor_cast<save_front_actor>(self->ctrl());
  state.store = spawn_with(self->home_system(), helpers, save_store, std::move(store), me);
  state.intake =
    spawn_with(self->home_system(), helpers, save_intake, state.store, std::move(folders));
  self->set_down_handler([self](caf::down_msg& x) {
    if (x.source == self->state.store || x.source == self->state.intake)
      self->quit(x.reason);
    else
      drop_waits(self, x.source);
  });
  self->monitor(state.store);
  self->monitor(state.intake);
  return {
    [self](status_atom, const std::string& job) { return ask_store(self, status_atom_v, job); },
    [self](wait_atom, const std::string& job, uint32_t timeout_ms) {
      return wait(self, job, timeout_ms);
    },
    [self](cancel_atom, const std::string& job) { return ask_store(self, cancel_atom_v, job); },
    [self](retry_atom, const std::string& job) { return ask_store(self, retry_atom_v, job); },
    [self](discard_atom, const std::string& job) { return ask_store(self, discard_atom_v, job); },
    [self](list_atom, const std::string& state, uint32_t limit) {
      return ask_store(self, list_atom_v, state, limit);
    },
    [self](status_atom) { return ask_store(self, status_atom_v); },
    [self](submit_atom, save_submission& x) { return submit(self, x); },
    [self](drain_atom) { return drain(self); },
    [self](probe_atom, const std::string& folder, const std::string& nonce) {
      return self->delegate(self->state.intake, probe_atom_v, folder, nonce);
    },
    [self](allow_atom, const std::string& folder) {
      return self->delegate(self->state.intake, allow_atom_v, folder);
    },
    [self](answer_atom, const std::string& job, const std::string& json, bool ended) {
      job_changed(self, job, json, ended);
    },
    [self](expire_atom, uint64_t generation) { end_overdue_waits(self, generation); },
  };
}

result<void> make_folders(storage::file_system& files, const std::vector<std::string>& folders) {
  for (auto& folder : folders)
    if (auto made = files.make_directories(folder); !made)
      return fail(ec::not_permitted,
                  "the output folder " + folder + " cannot be used: " + made.error().message);
  return {};
}

void tell_recovery(const storage::recovery_report& report) {
  for (auto& damage : report.damages)
    spdlog::error("the job log is damaged: {}", damage.message);
  if (report.queued > 0)
    spdlog::info("{} save jobs go on", report.queued);
}

} // namespace

save_queue_state::~save_queue_state() {
  for (auto& [id, x] : waiters)
    x.promise.deliver(
      make_error(failure{ec::unavailable, "the save queue has ended; ask again", 1000, {}}));
  for (auto& helper : {caf::actor_cast<caf::actor>(store), caf::actor_cast<caf::actor>(intake)})
    if (helper)
      caf::anon_send_exit(helper, caf::exit_reason::user_shutdown);
}

result<save_front_actor> start_save_queue(caf::actor_system& system, save_queue_options options) {
  if (auto ok = make_folders(*options.files, options.output_folders); !ok)
    return fail(ok);
  auto clock = options.store.clock;
  options.store.workers = options.max_workers;
  options.store.lanes.clear();
  for (auto& folder : options.output_folders)
    options.store.lanes.push_back({folder, folder, false});
  for (auto& [name, target] : options.targets)
    options.store.lanes.push_back({name, target->root(), true});
  auto opened = storage::job_store::open(options.files, options.data, std::move(options.store));
  if (!opened)
    return fail(opened);
  tell_recovery(opened->report);
  auto store = std::make_shared<save_store_options>();
  store->store = std::move(opened->store);
  store->targets = std::make_shared<const storage::target_table>(storage::target_table{
    std::make_shared<storage::publisher>(options.files, store->store->node()), options.targets});
  store->min_workers = options.min_workers;
  store->max_workers = options.max_workers;
  store->idle_timeout = options.idle_timeout;
  store->events = options.events;
  store->clock = std::move(clock);
  store->workers = options.helpers;
  auto folders = std::make_shared<output_folders>(options.files, options.output_folders);
  return system.spawn(save_queue, std::move(store), std::move(folders), options.helpers);
}

} // namespace luna
