#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "actors/pool/model_pool_parts.hpp"
#include "actors/support/timed_request.hpp"
#include "messages/error.hpp"

namespace luna::pool_parts {

namespace {

constexpr std::chrono::milliseconds worker_retry{500};

std::string loaded_key(const model_pool_state& state, const resolved_model& model) {
  return model.key + state.options.precision;
}

// -- what a batch needs ---------------------------------------------------------------------------

using work_list = std::vector<const models::work*>;

models::work_needs needs_of(const work_list& batch) {
  return batch.front()->needs(batch);
}

/// How many tasks like this one a full batch may have.
uint64_t batch_size(const model_pool_state& state, const pool_task& like) {
  auto cost = std::max<uint64_t>(like.cost, 1);
  auto full = (like.kind->batch_cost + cost - 1) / cost;
  return std::clamp<uint64_t>(full, 1, std::max<uint64_t>(state.options.queue, 1));
}

std::shared_ptr<lease_request> lease_for(const model_pool_state& state, int priority,
                                         const pool_batch& batch) {
  auto& head = state.tasks.at(batch.head);
  auto* work = head.item.work.get();
  auto needs = needs_of({work});
  auto request = std::make_shared<lease_request>();
  request->id = batch.lease;
  request->model = head.model;
  request->key = loaded_key(state, *head.model);
  request->weight_bytes = head.model->facts.weight_bytes;
  request->working_bytes = needs.working;
  request->min_working_bytes = needs.min_working;
  if (!head.alone)
    request->useful_working_bytes = needs_of(work_list(batch_size(state, head), work)).working;
  request->priority = static_cast<int8_t>(priority);
  request->make_room = head.make_room;
  request->deadline = head.deadline;
  return request;
}

// -- forming a batch ------------------------------------------------------------------------------

bool go_together(const pool_task& x, const pool_task& y) {
  return !x.alone && !y.alone && x.model->key == y.model->key && x.item.work->joins(*y.item.work);
}

/// Chooses the tasks that share the lease: the one that it was asked for, and of those that wait
/// now the next ones that go with it, as far as budget and memory reach.
void fill(model_pool_state& state, pool_batch& batch, fair_queue& queue, uint64_t working_bytes) {
  auto& head = state.tasks.at(batch.head);
  work_list chosen{head.item.work.get()};
  batch.tasks = {batch.head};
  batch.tensor_bytes = needs_of(chosen).tensors;
  auto cost = head.cost;
  for (auto id : queue.order()) {
    auto& task = state.tasks.at(id);
    if (id == batch.head || !go_together(head, task) || cost + task.cost > head.kind->batch_cost)
      continue;
    chosen.push_back(task.item.work.get());
    auto needs = needs_of(chosen);
    if (needs.working > working_bytes) {
      chosen.pop_back();
      continue;
    }
    batch.tasks.push_back(id);
    batch.tensor_bytes = needs.tensors;
    cost += task.cost;
  }
  queue.serve(batch.tasks);
}

// -- running --------------------------------------------------------------------------------------

/// The batch of a priority if it is still the one of this lease.
pool_batch* find_batch(model_pool_state& state, int priority, uint64_t lease) {
  auto i = state.batches.find(priority);
  return i == state.batches.end() || i->second.lease != lease ? nullptr : &i->second;
}

/// Takes a batch away and goes on with what waits.
void end_batch(self_pointer self, int priority) {
  self->state.batches.erase(priority);
  start(self, priority);
  tell_if_drained(self);
}

/// Whether a task whose memory ran out gets another try: without its company, or, if it had none,
/// once on a device that is cleared of the models that nobody uses.
bool may_try_again(model_pool_state& state, uint64_t id, bool had_company) {
  auto task = state.tasks.find(id);
  if (task == state.tasks.end() || had_company)
    return task != state.tasks.end();
  if (std::exchange(task->second.make_room, true))
    return false;
  task->second.item.warnings.push_back(
    {"evicted", "the device ran out of memory: models that nobody used were unloaded, and the work"
                " was done again"});
  return true;
}

/// Whether a task's model was another file by the time that it was loaded, for the first time.
bool was_replaced(model_pool_state& state, uint64_t id, const result<models::work_answer>& answer) {
  auto task = state.tasks.find(id);
  return !answer && answer.error().code == ec::unavailable && task != state.tasks.end()
      && !std::exchange(task->second.replaced, true);
}

/// Puts tasks of a batch that was too big back in front of their queue, each to run by itself.
void requeue_alone(self_pointer self, int priority, const std::vector<uint64_t>& ids) {
  auto& state = self->state;
  auto& queue = state.queues[priority];
  for (auto id = ids.rbegin(); id != ids.rend(); ++id)
    if (auto task = state.tasks.find(*id); task != state.tasks.end()) {
      task->second.alone = true;
      task->second.phase = task_phase::queued;
      queue.push_front(task->second.task->header.client, *id);
    }
}

void lease_refused(self_pointer self, int priority, uint64_t lease, const caf::error& problem) {
  auto& state = self->state;
  auto* batch = find_batch(state, priority, lease);
  if (!batch)
    return;
  auto head = batch->head;
  state.queues[priority].erase(head);
  finish(self, head, tl::make_unexpected(to_failure(problem, "device " + state.options.device)));
  end_batch(self, priority);
}

void work_failed(self_pointer self, int priority, uint64_t lease) {
  auto* batch = find_batch(self->state, priority, lease);
  if (!batch)
    return;
  for (auto id : std::vector<uint64_t>{batch->tasks})
    finish(self, id,
           fail(ec::unavailable,
                "the worker of device " + self->state.options.device
                  + " died while it did this; try again",
                worker_retry));
  self->send(self->state.device, release_atom_v, lease, weights_unchanged);
  end_batch(self, priority);
}

void work_done(self_pointer self, int priority, uint64_t lease, work_report& report) {
  auto& state = self->state;
  self->send(state.device, release_atom_v, lease, report.weight_bytes);
  auto* batch = find_batch(state, priority, lease);
  if (!batch)
    return;
  auto ids = batch->tasks;
  state.stats.served(self->clock().now() - batch->started, ids.size());
  std::vector<uint64_t> again;
  for (size_t i = 0; i < ids.size(); ++i) {
    auto& answer = report.answers.at(i);
    if (!answer && answer.error().code == ec::out_of_memory
        && may_try_again(state, ids[i], ids.size() > 1))
      again.push_back(ids[i]);
    else if (was_replaced(state, ids[i], answer))
      resolve_again(self, ids[i]);
    else if (!answer)
      finish(self, ids[i], fail(answer));
    else if (auto task = state.tasks.find(ids[i]); task != state.tasks.end())
      finish(self, ids[i], answer_of(*task->second.kind, std::move(*answer)));
  }
  requeue_alone(self, priority, again);
  end_batch(self, priority);
}

/// No timeout: the lease lasts until the work has stopped, however long that takes; the worker's
/// death is a down message.
void give_work(self_pointer self, int priority, const std::shared_ptr<work_order>& order,
               const worker_actor& worker) {
  if (self->state.watched.insert(worker.address()).second)
    self->monitor(worker);
  self->request(worker, caf::infinite, execute_atom_v, order)
    .then([self, priority, lease = order->lease](
            const std::shared_ptr<work_report>& x) { work_done(self, priority, lease, *x); },
          [self, priority, lease = order->lease](const caf::error&) {
            work_failed(self, priority, lease);
          });
}

void lease_granted(self_pointer self, int priority, const lease_grant& grant) {
  auto& state = self->state;
  auto* batch = find_batch(state, priority, grant.id);
  if (!batch) { // its task ended while the grant was on its way
    self->send(state.device, release_atom_v, grant.id, weights_unchanged);
    return;
  }
  fill(state, *batch, state.queues[priority], grant.working_bytes);
  auto& head = state.tasks.at(batch->head);
  auto order = std::make_shared<work_order>();
  order->lease = grant.id;
  order->model = head.model;
  order->key = loaded_key(state, *order->model);
  order->precision = state.options.precision;
  // The model counts what its net needs; inputs and results are there anyway. 0 would be no limit.
  order->working_bytes =
    grant.working_bytes > batch->tensor_bytes ? grant.working_bytes - batch->tensor_bytes : 1;
  order->last_try = head.make_room;
  order->attention = grant.attention;
  for (auto id : batch->tasks) {
    auto& task = state.tasks.at(id);
    task.phase = task_phase::running;
    order->items.push_back(task.item);
  }
  batch->worker = grant.worker;
  batch->started = self->clock().now();
  give_work(self, priority, order, grant.worker);
}

} // namespace

void enqueue(self_pointer self, uint64_t id) {
  auto& task = self->state.tasks.at(id);
  auto& header = task.task->header;
  auto priority = int{header.priority};
  task.phase = task_phase::queued;
  self->state.queues[priority].push_back(header.client, id);
  start(self, priority);
}

void start(self_pointer self, int priority) {
  auto& state = self->state;
  auto& queue = state.queues[priority];
  if (queue.empty() || state.batches.count(priority) > 0)
    return;
  auto& batch = state.batches[priority];
  batch.lease = next_task_id();
  batch.head = queue.front();
  auto request = lease_for(state, priority, batch);
  auto patience =
    std::chrono::ceil<std::chrono::milliseconds>(request->deadline - self->clock().now()) + grace;
  timed_request(self, patience, state.device, lease_atom_v, request)
    .then([self,
           priority](const std::shared_ptr<lease_grant>& x) { lease_granted(self, priority, *x); },
          [self, priority, id = request->id](const caf::error& x) {
            lease_refused(self, priority, id, x);
          });
}

void leave_queue(self_pointer self, uint64_t id) {
  auto& state = self->state;
  auto priority = int{state.tasks.at(id).task->header.priority};
  state.queues[priority].erase(id);
  auto i = state.batches.find(priority);
  if (i == state.batches.end() || i->second.worker || i->second.head != id)
    return;
  self->send(state.device, cancel_atom_v, i->second.lease);
  end_batch(self, priority);
}

void worker_died(self_pointer self, const caf::actor_addr& gone) {
  auto& state = self->state;
  state.watched.erase(gone);
  std::vector<std::pair<int, uint64_t>> lost;
  for (auto& [priority, batch] : state.batches)
    if (batch.worker && batch.worker.address() == gone)
      lost.emplace_back(priority, batch.lease);
  for (auto& [priority, lease] : lost)
    work_failed(self, priority, lease);
}

} // namespace luna::pool_parts
