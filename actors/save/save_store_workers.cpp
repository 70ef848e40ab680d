#include <caf/all.hpp>

#include <algorithm>
#include <utility>

#include "actors/save/save_store_parts.hpp"
#include "actors/save/save_worker.hpp"

namespace luna::save_store_parts {

namespace {

save_store_state::worker* idle_worker(save_store_state& state) {
  for (auto& [address, worker] : state.workers)
    if (worker.job.empty())
      return &worker;
  return nullptr;
}

void wake_when_due(self_pointer self) {
  auto& state = self->state;
  auto due = state.store->next_due();
  if (!due || (state.due && *state.due <= *due))
    return;
  state.due = due;
  auto pause = std::max(*due - state.options->clock(), std::chrono::milliseconds{1});
  self->delayed_send(self, pause, restart_atom_v);
}

} // namespace

save_store_state::worker& start_worker(self_pointer self) {
  auto& state = self->state;
  save_worker_actor handle =
    spawn_with(self->home_system(), state.options->workers, save_worker,
               caf::actor_cast<save_store_actor>(self->ctrl()), state.options->targets);
  self->monitor(handle);
  auto& worker = state.workers[handle.address()];
  worker.handle = handle;
  worker.idle_since = self->clock().now();
  return worker;
}

void dispatch(self_pointer self) {
  auto& state = self->state;
  while (!state.draining) {
    auto* worker = idle_worker(state);
    if (!worker && state.workers.size() >= state.options->max_workers)
      return;
    auto work = state.store->take();
    if (!work)
      return wake_when_due(self);
    if (!worker)
      worker = &start_worker(self);
    worker->job = work->id;
    state.changed.insert(work->id);
    schedule_commit(self);
    self->send(worker->handle, run_atom_v,
               std::make_shared<const storage::job_work>(std::move(*work)));
  }
}

void retire_idle_workers(self_pointer self) {
  auto& state = self->state;
  auto now = self->clock().now();
  for (auto i = state.workers.begin();
       i != state.workers.end() && state.workers.size() > state.options->min_workers;) {
    auto& worker = i->second;
    if (worker.job.empty() && now - worker.idle_since >= state.options->idle_timeout) {
      self->demonitor(worker.handle.address());
      self->send_exit(worker.handle, caf::exit_reason::user_shutdown);
      i = state.workers.erase(i);
    } else {
      ++i;
    }
  }
}

} // namespace luna::save_store_parts
