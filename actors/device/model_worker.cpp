#include "actors/device/model_worker.hpp"

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "actors/device/work_batch.hpp"
#include "actors/support/actor_defaults.hpp"
#include "messages/error.hpp"
#include "models/device.hpp"
#include "models/family.hpp"

namespace luna {

namespace {

using self_pointer = worker_actor::stateful_pointer<model_worker_state>;

/// Runs library code and turns what it throws into a value.
template <class Function>
void at_the_edge(const std::string& what, work_batch& batch, Function function) {
  try {
    function();
  } catch (const std::bad_alloc&) {
    batch.answer_rest({ec::out_of_memory, "the memory did not suffice for " + what, 0, {}});
  } catch (const std::exception& x) {
    spdlog::error("the worker caught an exception in {}: {}", what, x.what());
    batch.answer_rest({ec::internal, "a defect in " + what + ": " + x.what(), 0, {}});
  } catch (...) {
    spdlog::error("the worker caught an unknown exception in {}", what);
    batch.answer_rest({ec::internal, "a defect in " + what, 0, {}});
  }
}

/// The order's model, loaded now if need be; nullptr if that failed and all items know why.
models::loaded_model* find_or_load(model_worker_state& state, const work_order& order,
                                   work_batch& batch) {
  auto i = state.loaded.find(order.key);
  if (i != state.loaded.end())
    return i->second.get();
  auto& name = order.model->name;
  auto begin = std::chrono::steady_clock::now();
  auto model = models::load_model(order.model->files, order.model->facts,
                                  {state.options.device, order.precision}, batch.context());
  if (!model) {
    if (model.error().code != ec::cancelled)
      spdlog::warn("{} could not be loaded on {}: {}", name, state.options.device,
                   model.error().message);
    models::release_cached_memory(state.options.device);
    batch.answer_rest(model.error());
    return nullptr;
  }
  auto took = std::chrono::steady_clock::now() - begin;
  spdlog::info("loaded {} on {}: {} MiB in {} ms", name, state.options.device,
               (*model)->weight_bytes() >> 20,
               std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  return state.loaded.emplace(order.key, std::move(*model)).first->second.get();
}

bool ran_out_of_memory(const result<models::work_answer>& answer) {
  return !answer && answer.error().code == ec::out_of_memory;
}

std::shared_ptr<work_report> execute(self_pointer self, const work_order& order) {
  auto& state = self->state;
  auto report = std::make_shared<work_report>();
  auto send = [](const work_item& item, task_progress progress) {
    caf::anon_send(item.listener, progress_atom_v, std::move(progress));
  };
  work_batch batch{order, send, [self] { return self->clock().now(); }};
  if (batch.wanted())
    at_the_edge(order.model->name, batch, [&] {
      if (auto* model = find_or_load(state, order, batch))
        batch.run(*model);
    });
  report->answers = batch.take_answers();
  if (std::any_of(report->answers.begin(), report->answers.end(), ran_out_of_memory))
    models::release_cached_memory(state.options.device); // what it took until then
  auto model = state.loaded.find(order.key);
  report->weight_bytes = model == state.loaded.end() ? 0 : model->second->weight_bytes();
  return report;
}

uint64_t model_memory(const std::string& device) {
  auto memory = models::memory_of(device);
  return memory ? memory->model_bytes : 0;
}

uint64_t unload(model_worker_state& state, const std::string& key) {
  auto i = state.loaded.find(key);
  if (i == state.loaded.end())
    return 0;
  auto& device = state.options.device;
  auto before = model_memory(device);
  state.loaded.erase(i);
  models::release_cached_memory(device);
  auto after = model_memory(device);
  auto freed = before > after ? before - after : 0;
  spdlog::info("unloaded a model from {}: {} MiB came back", device, freed >> 20);
  return freed;
}

} // namespace

worker_actor::behavior_type model_worker(self_pointer self, worker_options options) {
  set_actor_defaults(self);
  self->state.options = std::move(options);
  models::init_worker_thread(static_cast<int>(self->state.options.threads));
  return {
    [self](execute_atom, const std::shared_ptr<work_order>& order) {
      return execute(self, *order);
    },
    [self](unload_atom, const std::string& key) { return unload(self->state, key); },
  };
}

} // namespace luna
