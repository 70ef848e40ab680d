#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "actors/pool/model_pool_parts.hpp"
#include "actors/support/timed_request.hpp"
#include "base/reply_size.hpp"
#include "messages/error.hpp"
#include "messages/work_arguments.hpp"

namespace luna::pool_parts {

namespace {

constexpr std::chrono::milliseconds drain_retry{1000};

/// Whether the pool takes such a task at all, and now.
result<void> check(const model_pool_state& state, const task_header& header,
                   const work_kind* work) {
  auto& options = state.options;
  auto kind = std::string{to_string(options.kind)};
  if (!serves(options.kinds, options.kind))
    return fail(ec::unsupported_model,
                "this build runs no models of kind " + kind + "; leave that work to ComfyUI");
  if (header.pool_kind != options.kind || work == nullptr
      || (work->pool && work->pool != options.kind))
    return fail(ec::bad_request,
                "pool " + options.name + " serves models of kind " + kind + ", not " + header.kind);
  if (state.draining)
    return fail(ec::shutting_down, "pool " + options.name + " takes no new work, its node stops",
                drain_retry);
  if (header.deadline_ms == 0)
    return fail(ec::timeout, "the deadline had passed when the work came to pool " + options.name);
  if (state.tasks.count(header.id) > 0)
    return fail(ec::internal, "task " + std::to_string(header.id) + " runs already");
  auto waiting = waiting_tasks(state);
  if (waiting >= options.queue)
    return fail(ec::overloaded,
                "the queue of pool " + options.name + " is full (" + std::to_string(waiting)
                  + " tasks wait); try again later",
                state.stats.retry_after(waiting));
  return {};
}

/// Runs `next` on the task if it has not ended meanwhile.
template <class Next>
void if_alive(self_pointer self, uint64_t id, Next next) {
  auto i = self->state.tasks.find(id);
  if (i != self->state.tasks.end())
    next(i->second);
}

void fail_task(self_pointer self, uint64_t id, const caf::error& problem, std::string_view who) {
  finish(self, id, tl::make_unexpected(to_failure(problem, who)));
}

auto patience(self_pointer self, const pool_task& task) {
  return std::chrono::ceil<std::chrono::milliseconds>(task.deadline - self->clock().now()) + grace;
}

// -- the way of a task
// -------------------------------------------------------------------------------

/// The shapes of the answer are known before the work: what would not fit is refused.
void prepared(self_pointer self, uint64_t id, models::prepared_work& ready) {
  if_alive(self, id, [&](pool_task& task) {
    if (!ready.todo) {
      finish(self, id, answer_of(*task.kind, std::move(ready.answer)));
      return;
    }
    task.cost = ready.todo->cost();
    task.item.work = std::move(ready.todo);
    task.item.warnings = std::move(ready.answer.warnings);
    auto ok = check_reply_size(task.item.work->reply_shapes(), self->state.options.max_reply_bytes);
    if (ok)
      enqueue(self, id);
    else
      finish(self, id, fail(ok));
  });
}

void prepare(self_pointer self, uint64_t id, pool_task& task) {
  task.phase = task_phase::preparing;
  prepare_order order{task.kind, task.task, task.model, task.stop.get_token()};
  if (task.kind->slow) {
    auto& helper = self->state.preparer;
    timed_request(self, patience(self, task), helper, run_atom_v,
                  std::make_shared<const prepare_order>(std::move(order)))
      .then([self, id](const std::shared_ptr<models::prepared_work>& x) { prepared(self, id, *x); },
            [self, id](const caf::error& x) { fail_task(self, id, x, "the tokenizer"); });
    return;
  }
  if (auto ready = prepare_work(order, {}, nullptr))
    prepared(self, id, *ready);
  else
    finish(self, id, fail(ready));
}

void resolved(self_pointer self, uint64_t id, const std::shared_ptr<const resolved_model>& model) {
  if_alive(self, id, [&](pool_task& task) {
    task.model = model;
    task.item.task = id;
    task.item.stop = task.stop.get_token();
    if (task.task->header.wants_progress)
      task.item.listener = task.task->listener;
    prepare(self, id, task);
  });
}

void ask_catalog(self_pointer self, uint64_t id, pool_task& task) {
  auto& state = self->state;
  task.phase = task_phase::resolving;
  auto& header = task.task->header;
  auto failed = [self, id](const caf::error& x) { fail_task(self, id, x, "the model catalog"); };
  if (task.kind->prepare == nullptr)
    timed_request(self, patience(self, task), state.catalog, info_atom_v, state.options.kind,
                  header.model)
      .then(
        [self, id](const model_description& x) {
          finish(self, id, model_result{{caf::make_message(x), {}}, {}});
        },
        failed);
  else
    timed_request(self, patience(self, task), state.catalog, resolve_atom_v, state.options.kind,
                  header.model)
      .then([self, id](const std::shared_ptr<const resolved_model>& x) { resolved(self, id, x); },
            failed);
}

} // namespace

void resolve_again(self_pointer self, uint64_t id) {
  if_alive(self, id, [&](pool_task& task) { ask_catalog(self, id, task); });
}

caf::result<model_result> accept(self_pointer self, model_task& asked) {
  auto& state = self->state;
  asked.header.priority = std::clamp<int8_t>(asked.header.priority, -1, 1);
  auto* kind = find_kind(state.options.kinds, asked.header.kind);
  if (auto ok = check(state, asked.header, kind); !ok)
    return make_error(ok.error());
  auto id = asked.header.id;
  auto& task = state.tasks[id];
  task.kind = kind;
  task.accepted = self->clock().now();
  task.deadline = task.accepted + std::chrono::milliseconds{asked.header.deadline_ms};
  task.task = std::make_shared<const model_task>(std::move(asked));
  task.promise = self->make_response_promise<model_result>();
  state.deadlines.emplace(task.deadline, id);
  watch_deadlines(self);
  auto promise = task.promise;
  ask_catalog(self, id, task);
  return promise;
}

void spawn_preparer(self_pointer self) {
  auto& state = self->state;
  auto& kinds = state.options.kinds;
  if (std::none_of(kinds.begin(), kinds.end(),
                   [&](auto& x) { return x.slow && x.pool == state.options.kind; }))
    return;
  preparer_options options{state.options.vocabularies, state.options.embedding_folders};
  state.preparer = spawn_with(*self, state.helpers, task_preparer, std::move(options));
  self->monitor(state.preparer);
}

void preparer_died(self_pointer self) {
  spdlog::error("the tokenizer of pool {} died and is started again", self->state.options.name);
  std::vector<uint64_t> lost;
  for (auto& [id, task] : self->state.tasks)
    if (task.phase == task_phase::preparing)
      lost.push_back(id);
  for (auto id : lost)
    finish(self, id, fail(ec::internal, "the tokenizer died of this prompt or one before it"));
  spawn_preparer(self);
}

} // namespace luna::pool_parts
