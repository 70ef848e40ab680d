#include <caf/all.hpp>

#include <algorithm>
#include <utility>

#include "actors/pool/model_pool_parts.hpp"
#include "messages/error.hpp"

namespace luna::pool_parts {

namespace {

failure too_late(const model_pool_state& state, const pool_task& task) {
  auto what = task.task->header.kind + " on pool " + state.options.name
            + " was not done by its deadline of " + std::to_string(task.task->header.deadline_ms)
            + " ms";
  return {ec::timeout, what + "; allow more time with deadline_ms", 0, {}};
}

} // namespace

model_result answer_of(const work_kind& kind, models::work_answer answer) {
  auto attributes = kind.attributes ? kind.attributes(answer.attributes) : caf::message{};
  return {{std::move(attributes), std::move(answer.warnings)}, std::move(answer.tensors)};
}

void finish(self_pointer self, uint64_t id, result<model_result> answer) {
  auto& state = self->state;
  auto i = state.tasks.find(id);
  if (i == state.tasks.end())
    return;
  auto task = std::move(i->second);
  state.tasks.erase(i);
  state.deadlines.erase({task.deadline, id});
  if (answer || answer.error().code != ec::cancelled)
    state.stats.answered(self->clock().now() - task.accepted, answer.has_value());
  if (answer)
    task.promise.deliver(std::move(*answer));
  else
    task.promise.deliver(make_error(answer.error()));
  tell_if_drained(self);
}

void end_early(self_pointer self, uint64_t id, const failure& why) {
  auto& state = self->state;
  auto i = state.tasks.find(id);
  if (i == state.tasks.end())
    return;
  i->second.stop.request_stop();
  if (i->second.phase == task_phase::queued)
    leave_queue(self, id);
  finish(self, id, tl::make_unexpected(why));
}

uint64_t end_all(self_pointer self, const failure& why) {
  std::vector<uint64_t> ids;
  for (auto& [id, task] : self->state.tasks)
    ids.push_back(id);
  // The newest first: no lease is asked for what is to end, unless clients took turns.
  for (auto id = ids.rbegin(); id != ids.rend(); ++id)
    end_early(self, *id, why);
  return ids.size();
}

void watch_deadlines(self_pointer self) {
  auto& state = self->state;
  if (state.deadlines.empty())
    return;
  schedule(self, state.wake, state.deadlines.begin()->first);
}

void expire(self_pointer self, uint64_t generation) {
  auto& state = self->state;
  if (!state.wake.woke(generation))
    return;
  auto now = self->clock().now();
  while (!state.deadlines.empty() && state.deadlines.begin()->first <= now) {
    auto id = state.deadlines.begin()->second;
    end_early(self, id, too_late(state, state.tasks.at(id)));
  }
  watch_deadlines(self);
}

void tell_if_drained(self_pointer self) {
  auto& state = self->state;
  if (!state.tasks.empty() || !state.batches.empty())
    return;
  for (auto& promise : std::exchange(state.drained, {}))
    promise.deliver(true);
}

uint32_t running_tasks(const model_pool_state& state) {
  uint32_t count = 0;
  for (auto& [lane, batch] : state.batches)
    if (batch.worker)
      for (auto id : batch.tasks)
        count += state.tasks.count(id) > 0 ? 1 : 0;
  return count;
}

uint32_t waiting_tasks(const model_pool_state& state) {
  return static_cast<uint32_t>(state.tasks.size()) - running_tasks(state);
}

} // namespace luna::pool_parts
