#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "actors/device/device_manager_parts.hpp"

namespace luna::device_parts {

namespace {

void unloaded(self_pointer self, const std::string& key, uint64_t bytes) {
  auto& state = self->state;
  state.ledger.evicted(key);
  for (auto i = state.unloads.begin(); i != state.unloads.end();) {
    auto& run = i->second;
    auto row = run.pending.find(key);
    if (row != run.pending.end()) {
      row->second.bytes = bytes;
      run.report.freed_bytes[state.options.name] += bytes;
      run.report.unloaded.push_back(std::move(row->second));
      run.pending.erase(row);
    }
    if (!run.pending.empty()) {
      ++i;
      continue;
    }
    run.promise.deliver(std::move(run.report));
    i = state.unloads.erase(i);
  }
  pump(self);
}

bool matches(const device_ledger::model& model, const std::vector<model_kind>& kinds,
             const std::vector<std::string>& names) {
  auto has_kind = kinds.empty() || std::find(kinds.begin(), kinds.end(), model.kind) != kinds.end();
  auto has_name =
    names.empty() || std::any_of(names.begin(), names.end(), [&](auto& asked) {
      auto name = with_slashes(asked);
      return name == model.name
          || std::find(model.names.begin(), model.names.end(), name) != model.names.end();
    });
  return has_kind && has_name;
}

} // namespace

// No timeout: the worker may compute for minutes before it reads the message, and its death is a
// down message.
void tell_to_unload(self_pointer self, const std::string& key) {
  auto generation = self->state.worker_generation;
  self->request(self->state.worker, caf::infinite, unload_atom_v, key)
    .then(
      [self, generation, key](uint64_t bytes) {
        if (generation == self->state.worker_generation)
          unloaded(self, key, bytes);
      },
      [self, generation, key](const caf::error& problem) {
        if (generation != self->state.worker_generation)
          return;
        spdlog::error("device {} could not unload a model: {}", self->state.options.name,
                      self->system().render(problem));
        self->state.ledger.eviction_failed(key);
      });
}

caf::result<unload_report> unload(self_pointer self, const std::vector<model_kind>& kinds,
                                  const std::vector<std::string>& names) {
  auto& state = self->state;
  unload_run run;
  run.report.freed_bytes[state.options.name] = 0;
  for (auto& [key, model] : state.ledger.models()) {
    if (!matches(model, kinds, names))
      continue;
    if (model.leases > 0)
      run.report.kept.push_back({model.name, "a running request uses it"});
    else
      run.pending.emplace(key, loaded_row{model.name, model.kind, state.options.name, 0});
  }
  for (auto& [key, row] : run.pending)
    if (state.ledger.begin_unload(key)) // else it is being evicted already
      tell_to_unload(self, key);
  if (run.pending.empty())
    return std::move(run.report);
  auto promise = self->make_response_promise<unload_report>();
  run.promise = promise;
  state.unloads.emplace(++state.last_unload, std::move(run));
  self->delayed_send(self, state.options.unload_wait, unload_atom_v, state.last_unload);
  return promise;
}

void stop_waiting(self_pointer self, uint64_t number) {
  auto i = self->state.unloads.find(number);
  if (i == self->state.unloads.end())
    return;
  for (auto& [key, row] : i->second.pending)
    i->second.report.kept.push_back(
      {row.model, "the device computes; it is unloaded when that has ended"});
  i->second.promise.deliver(std::move(i->second.report));
  self->state.unloads.erase(i);
}

void unloads_died(self_pointer self) {
  for (auto& [number, run] : self->state.unloads) {
    for (auto& [key, row] : run.pending)
      run.report.kept.push_back({row.model, "the device's worker died; its models went with it"});
    run.promise.deliver(std::move(run.report));
  }
  self->state.unloads.clear();
}

} // namespace luna::device_parts
