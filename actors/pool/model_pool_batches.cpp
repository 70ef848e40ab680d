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

models::vae_direction direction_of(const work_item& item) {
  return item.kind == task_kind::vae_encode ? models::vae_direction::encode
                                            : models::vae_direction::decode;
}

// -- forming a batch ------------------------------------------------------------------------------

bool go_together(const pool_task& x, const pool_task& y) {
  auto direction = [](const pool_task& task) {
    return task.task->header.kind == task_kind::vae_encode;
  };
  return !x.alone && !y.alone && x.model->key == y.model->key && direction(x) == direction(y);
}

/// The first task of a lane and those behind it that may share its lease, up to the budget.
std::vector<uint64_t> take_batch(model_pool_state& state, std::deque<uint64_t>& lane) {
  auto budget = state.options.kind == model_kind::text ? uint64_t{state.options.batch_tokens}
                                                       : state.options.batch_pixels;
  auto& head = state.tasks.at(lane.front());
  std::vector<uint64_t> batch;
  std::deque<uint64_t> rest;
  uint64_t cost = 0;
  for (auto id : lane) {
    auto& task = state.tasks.at(id);
    if (batch.empty() || (go_together(head, task) && cost + task.cost <= budget)) {
      cost += task.cost;
      task.phase = task_phase::leasing;
      batch.push_back(id);
    } else {
      rest.push_back(id);
    }
  }
  lane = std::move(rest);
  return batch;
}

// -- what it needs --------------------------------------------------------------------------------

void add_text_needs(lease_request& need, const model_pool_state& state, const pool_batch& batch) {
  std::vector<models::text_job> jobs;
  for (auto id : batch.tasks)
    for (auto& job : state.tasks.at(id).item.texts)
      jobs.push_back(job);
  need.working_bytes = models::estimate_working_bytes(need.model->facts, jobs);
}

/// Jobs run one by one: the largest, beside the inputs and results of the others.
struct image_needs {
  uint64_t largest = 0;
  uint64_t others = 0;
  uint64_t largest_own = 0;

  void add(uint64_t whole, uint64_t input_and_result) {
    others += input_and_result;
    if (whole <= largest)
      return;
    largest = whole;
    largest_own = input_and_result;
  }
  uint64_t total() const { return largest + others - largest_own; }
  uint64_t inputs_and_results() const { return others; }
};

void add_image_needs(lease_request& need, const model_pool_state& state, pool_batch& batch) {
  image_needs usual;
  image_needs least;
  // Only alone: an image must not be cut because of its company.
  auto can_tile = batch.tasks.size() == 1;
  for (auto id : batch.tasks) {
    auto job = state.tasks.at(id).item.vae;
    auto direction = direction_of(state.tasks.at(id).item);
    auto& facts = need.model->facts;
    auto shape = models::vae_output_shape(facts, direction, job.input.shape());
    auto own = job.input.size_bytes() + element_count(shape).value_or(0) * size_of(dtype::f32);
    usual.add(models::estimate_working_bytes(facts, direction, job), own);
    can_tile = can_tile && job.tiling.mode == models::tiling_mode::automatic;
    job.tiling.mode = models::tiling_mode::on;
    least.add(models::estimate_working_bytes(facts, direction, job), own);
  }
  need.working_bytes = usual.total();
  batch.tensor_bytes = usual.inputs_and_results();
  if (can_tile && least.total() < need.working_bytes)
    need.least_working_bytes = least.total();
}

std::shared_ptr<lease_request> needs_of(const model_pool_state& state, int lane,
                                        pool_batch& batch) {
  auto need = std::make_shared<lease_request>();
  need->id = batch.lease;
  need->model = state.tasks.at(batch.tasks.front()).model;
  need->key = loaded_key(state, *need->model);
  need->weight_bytes = need->model->facts.weight_bytes;
  need->priority = static_cast<int8_t>(lane);
  need->make_room = state.tasks.at(batch.tasks.front()).make_room;
  for (auto id : batch.tasks)
    need->deadline = std::max(need->deadline, state.tasks.at(id).deadline);
  if (state.options.kind == model_kind::text)
    add_text_needs(*need, state, batch);
  else
    add_image_needs(*need, state, batch);
  return need;
}

// -- running --------------------------------------------------------------------------------------

/// The lane's batch if it is still the one of this lease.
pool_batch* find_batch(model_pool_state& state, int lane, uint64_t lease) {
  auto i = state.batches.find(lane);
  return i == state.batches.end() || i->second.lease != lease ? nullptr : &i->second;
}

/// Takes the lane's batch away and goes on with what waits.
void end_batch(self_pointer self, int lane) {
  self->state.batches.erase(lane);
  start(self, lane);
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
bool was_replaced(model_pool_state& state, uint64_t id, const result<model_result>& answer) {
  auto task = state.tasks.find(id);
  return !answer && answer.error().code == ec::unavailable && task != state.tasks.end()
      && !std::exchange(task->second.replaced, true);
}

/// Puts tasks of a batch that was too big back in front of their lane, each to run by itself.
void requeue_alone(self_pointer self, int lane, const std::vector<uint64_t>& ids) {
  auto& state = self->state;
  auto& queue = state.lanes[lane];
  for (auto id = ids.rbegin(); id != ids.rend(); ++id)
    if (auto task = state.tasks.find(*id); task != state.tasks.end()) {
      task->second.alone = true;
      task->second.phase = task_phase::queued;
      queue.push_front(*id);
    }
}

void lease_refused(self_pointer self, int lane, uint64_t lease, const caf::error& problem) {
  auto* batch = find_batch(self->state, lane, lease);
  if (!batch)
    return;
  auto why = to_failure(problem, "device " + self->state.options.device);
  auto ids = batch->tasks;
  if (why.code == ec::out_of_memory && ids.size() > 1)
    requeue_alone(self, lane, ids);
  else
    for (auto id : ids)
      finish(self, id, tl::make_unexpected(why));
  end_batch(self, lane);
}

void work_failed(self_pointer self, int lane, uint64_t lease) {
  auto* batch = find_batch(self->state, lane, lease);
  if (!batch)
    return;
  for (auto id : std::vector<uint64_t>{batch->tasks})
    finish(self, id,
           fail(ec::unavailable,
                "the worker of device " + self->state.options.device
                  + " died while it did this; try again",
                worker_retry));
  self->send(self->state.device, release_atom_v, lease, weights_unchanged);
  end_batch(self, lane);
}

void work_done(self_pointer self, int lane, uint64_t lease, work_report& report) {
  auto& state = self->state;
  self->send(state.device, release_atom_v, lease, report.weight_bytes);
  auto* batch = find_batch(state, lane, lease);
  if (!batch)
    return;
  auto ids = batch->tasks;
  state.figures.served(self->clock().now() - batch->started, ids.size());
  std::vector<uint64_t> again;
  for (size_t i = 0; i < ids.size(); ++i) {
    auto& answer = report.answers.at(i);
    if (!answer && answer.error().code == ec::out_of_memory
        && may_try_again(state, ids[i], ids.size() > 1))
      again.push_back(ids[i]);
    else if (was_replaced(state, ids[i], answer))
      resolve_again(self, ids[i]);
    else
      finish(self, ids[i], std::move(answer));
  }
  requeue_alone(self, lane, again);
  end_batch(self, lane);
}

/// No timeout: the lease lasts until the work has stopped, however long that takes; the worker's
/// death is a down message.
void give_work(self_pointer self, int lane, const std::shared_ptr<work_order>& order,
               const worker_actor& worker) {
  if (self->state.watched.insert(worker.address()).second)
    self->monitor(worker);
  self->request(worker, caf::infinite, execute_atom_v, order)
    .then(
      [self, lane, lease = order->lease](const std::shared_ptr<work_report>& x) {
        work_done(self, lane, lease, *x);
      },
      [self, lane, lease = order->lease](const caf::error&) { work_failed(self, lane, lease); });
}

void lease_granted(self_pointer self, int lane, const lease_grant& grant) {
  auto& state = self->state;
  auto* batch = find_batch(state, lane, grant.id);
  if (!batch) { // its tasks ended while the grant was on its way
    self->send(state.device, release_atom_v, grant.id, weights_unchanged);
    return;
  }
  auto order = std::make_shared<work_order>();
  order->lease = grant.id;
  order->model = state.tasks.at(batch->tasks.front()).model;
  order->key = loaded_key(state, *order->model);
  order->precision = state.options.precision;
  // The model counts what its net needs; inputs and results are there anyway. 0 would be no limit.
  order->working_bytes =
    grant.working_bytes > batch->tensor_bytes ? grant.working_bytes - batch->tensor_bytes : 1;
  order->last_try = state.tasks.at(batch->tasks.front()).make_room;
  order->attention = grant.attention;
  for (auto id : batch->tasks) {
    auto& task = state.tasks.at(id);
    task.phase = task_phase::running;
    order->items.push_back(task.item);
  }
  batch->worker = grant.worker;
  batch->started = self->clock().now();
  give_work(self, lane, order, grant.worker);
}

} // namespace

void enqueue(self_pointer self, uint64_t id) {
  auto& task = self->state.tasks.at(id);
  auto lane = int{task.task->header.priority};
  task.phase = task_phase::queued;
  self->state.lanes[lane].push_back(id);
  start(self, lane);
}

void start(self_pointer self, int lane) {
  auto& state = self->state;
  auto& queue = state.lanes[lane];
  if (queue.empty() || state.batches.count(lane) > 0)
    return;
  auto& batch = state.batches[lane];
  batch.lease = next_task_id();
  batch.tasks = take_batch(state, queue);
  auto need = needs_of(state, lane, batch);
  auto patience =
    std::chrono::ceil<std::chrono::milliseconds>(need->deadline - self->clock().now()) + grace;
  timed_request(self, patience, state.device, lease_atom_v, need)
    .then([self, lane](const std::shared_ptr<lease_grant>& x) { lease_granted(self, lane, *x); },
          [self, lane, id = need->id](const caf::error& x) { lease_refused(self, lane, id, x); });
}

void leave_batch(self_pointer self, int lane, uint64_t id) {
  auto& state = self->state;
  auto i = state.batches.find(lane);
  if (i == state.batches.end() || i->second.worker)
    return;
  std::erase(i->second.tasks, id);
  if (!i->second.tasks.empty())
    return;
  self->send(state.device, cancel_atom_v, i->second.lease);
  end_batch(self, lane);
}

void worker_died(self_pointer self, const caf::actor_addr& gone) {
  auto& state = self->state;
  state.watched.erase(gone);
  std::vector<std::pair<int, uint64_t>> lost;
  for (auto& [lane, batch] : state.batches)
    if (batch.worker && batch.worker.address() == gone)
      lost.emplace_back(lane, batch.lease);
  for (auto& [lane, lease] : lost)
    work_failed(self, lane, lease);
}

} // namespace luna::pool_parts
