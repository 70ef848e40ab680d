#include "actors/device/device_manager.hpp"

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "actors/device/device_manager_parts.hpp"
#include "actors/support/actor_defaults.hpp"
#include "messages/error.hpp"

namespace luna {

namespace {

using namespace device_parts;
using time_point = std::chrono::steady_clock::time_point;
using std::chrono::milliseconds;

uint32_t milliseconds_until(time_point then, time_point now) {
  auto ms = std::chrono::ceil<milliseconds>(then - now).count();
  return static_cast<uint32_t>(std::clamp<int64_t>(ms, 1, UINT32_MAX));
}

std::string model_name(const lease_request& x) {
  return x.model ? x.model->name : x.key;
}

failure gave_up(const device_manager_state& state, time_point now) {
  return {ec::unavailable,
          "the worker of device " + state.options.name
            + " died too often and rests; try again later or look into the log",
          milliseconds_until(*state.unavailable_until, now),
          {}};
}

// -- the worker -----------------------------------------------------------------------------------

void worker_died(self_pointer self, const caf::error& reason);

void start_worker(self_pointer self) {
  auto& state = self->state;
  state.unavailable_until.reset();
  try {
    state.worker = state.options.make_worker(self->system());
  } catch (const std::exception& x) { // no thread left, for instance
    worker_died(self, make_error(ec::internal, x.what()));
    return;
  }
  self->monitor(state.worker);
}

void rest(self_pointer self, time_point now) {
  auto& state = self->state;
  state.unavailable_until = state.restarts.quiet_at();
  auto why = make_error(gave_up(state, now));
  for (auto& [id, waiting] : state.waiting) {
    state.ledger.withdraw(id);
    waiting.promise.deliver(why);
  }
  state.waiting.clear();
}

/// What was loaded and leased went with the worker's thread.
void worker_died(self_pointer self, const caf::error& reason) {
  auto& state = self->state;
  auto now = self->clock().now();
  state.worker = nullptr;
  ++state.worker_generation;
  state.ledger.clear();
  state.holders.clear();
  unloads_died(self);
  auto delay = state.restarts.failed(now);
  spdlog::error("the worker of device {} died ({}); {}", state.options.name,
                self->system().render(reason),
                delay ? "it starts again in " + std::to_string(delay->count()) + " ms"
                      : std::string{"it died too often and rests"});
  if (!delay) {
    rest(self, now);
    delay = milliseconds{milliseconds_until(*state.unavailable_until, now)};
  }
  self->delayed_send(self, *delay, restart_atom_v, state.worker_generation);
}

// -- leases ---------------------------------------------------------------------------------------

ledger_request ledger_view(const lease_request& x) {
  ledger_request result;
  result.id = x.id;
  result.key = x.key;
  result.weight_bytes = x.weight_bytes;
  result.working_bytes = x.working_bytes;
  result.min_working_bytes = x.min_working_bytes;
  result.useful_working_bytes = x.useful_working_bytes;
  result.make_room = x.make_room;
  result.priority = x.priority;
  result.place = x.key;
  if (x.model) {
    result.place = x.model->place;
    result.name = x.model->name;
    result.names = x.model->names;
    result.kind = x.model->kind;
  }
  return result;
}

failure too_big(const device_manager_state& state, const lease_request& x) {
  auto least = x.min_working_bytes > 0 ? x.min_working_bytes : x.working_bytes;
  return {ec::out_of_memory,
          model_name(x) + " needs " + std::to_string((x.weight_bytes + least) >> 20)
            + " MiB for its weights and this work, and device " + state.options.name + " may use "
            + std::to_string(state.options.budget_bytes >> 20)
            + " MiB; send smaller work or raise the device's memory",
          0,
          {}};
}

void wake_for_next_deadline(self_pointer self) {
  auto& state = self->state;
  if (state.waiting.empty())
    return;
  auto next = std::min_element(state.waiting.begin(), state.waiting.end(), [](auto& x, auto& y) {
                return x.second.request->deadline < y.second.request->deadline;
              })->second.request->deadline;
  schedule(self, state.wake, next);
}

void expire(self_pointer self, uint64_t generation) {
  auto& state = self->state;
  if (!state.wake.woke(generation))
    return;
  auto now = self->clock().now();
  for (auto i = state.waiting.begin(); i != state.waiting.end();) {
    auto& request = *i->second.request;
    if (request.deadline > now) {
      ++i;
      continue;
    }
    state.ledger.withdraw(i->first);
    i->second.promise.deliver(make_error(ec::timeout, "device " + state.options.name
                                                        + " had no room for " + model_name(request)
                                                        + " before the deadline"));
    i = state.waiting.erase(i);
  }
  pump(self); // what stood behind them may fit
  wake_for_next_deadline(self);
}

caf::result<std::shared_ptr<lease_grant>> lease(self_pointer self,
                                                const std::shared_ptr<lease_request>& request) {
  auto& state = self->state;
  auto now = self->clock().now();
  if (state.unavailable_until)
    return make_error(gave_up(state, now));
  if (request->deadline <= now)
    return make_error(ec::timeout, "the deadline of the work for " + model_name(*request)
                                     + " had passed before it asked for the device");
  if (state.waiting.count(request->id) > 0 || state.holders.count(request->id) > 0)
    return make_error(ec::internal, "lease " + std::to_string(request->id) + " is in use");
  auto wish = ledger_view(*request);
  if (!state.ledger.fit(wish))
    return make_error(too_big(state, *request));
  auto holder = caf::actor_cast<caf::actor_addr>(self->current_sender());
  if (holder && state.watched.insert(holder).second)
    self->monitor(holder);
  auto promise = self->make_response_promise<std::shared_ptr<lease_grant>>();
  state.waiting.emplace(request->id, device_manager_state::waiting_lease{promise, request, holder});
  state.ledger.add(std::move(wish));
  pump(self);
  wake_for_next_deadline(self);
  return promise;
}

void grant(self_pointer self, device_ledger::grant granted) {
  auto& state = self->state;
  auto i = state.waiting.find(granted.id);
  auto result = std::make_shared<lease_grant>();
  result->id = granted.id;
  result->worker = state.worker;
  result->working_bytes = granted.working_bytes;
  result->attention = state.attention;
  state.holders.emplace(granted.id, i->second.holder);
  auto promise = std::move(i->second.promise);
  state.waiting.erase(i);
  promise.deliver(std::move(result));
}

void refuse(self_pointer self, uint64_t id) {
  auto& state = self->state;
  auto i = state.waiting.find(id);
  auto why = make_error(too_big(state, *i->second.request));
  auto promise = std::move(i->second.promise);
  state.waiting.erase(i);
  promise.deliver(std::move(why));
}

void withdraw(self_pointer self, uint64_t id) {
  auto& state = self->state;
  auto i = state.waiting.find(id);
  if (i == state.waiting.end())
    return;
  state.ledger.withdraw(id);
  i->second.promise.deliver(make_error(ec::cancelled, "the lease request was taken back"));
  state.waiting.erase(i);
  pump(self);
}

void release(self_pointer self, uint64_t id, uint64_t weight_bytes) {
  auto& state = self->state;
  state.holders.erase(id);
  auto ended = weight_bytes == weights_unchanged ? state.ledger.release_unused(id)
                                                 : state.ledger.release(id, weight_bytes);
  if (ended)
    pump(self);
}

void forget_holder(self_pointer self, const caf::actor_addr& gone) {
  auto& state = self->state;
  state.watched.erase(gone);
  for (auto i = state.waiting.begin(); i != state.waiting.end();) {
    auto dead = i->second.holder == gone;
    if (dead)
      state.ledger.withdraw(i->first);
    i = dead ? state.waiting.erase(i) : std::next(i);
  }
  for (auto i = state.holders.begin(); i != state.holders.end();) {
    auto dead = i->second == gone;
    if (dead)
      state.ledger.abandon(i->first);
    i = dead ? state.holders.erase(i) : std::next(i);
  }
  pump(self);
}

// -- everything else ------------------------------------------------------------------------------

caf::result<bool> set_attention(self_pointer self, attention_mode mode) {
  auto& state = self->state;
  if (auto supported = state.options.supports_attention(mode); !supported)
    return make_error(supported.error());
  state.attention->store(mode, std::memory_order_relaxed);
  return true;
}

device_row row_of(const device_manager_state& state) {
  device_row row;
  row.name = state.options.name;
  row.used_bytes = state.ledger.used();
  row.total_bytes = state.options.total_bytes;
  row.budget_bytes = state.options.budget_bytes;
  for (auto& [key, model] : state.ledger.models())
    if (model.loaded)
      row.loaded.push_back({model.name, model.kind, row.name, model.bytes});
  return row;
}

} // namespace

void device_parts::pump(self_pointer self) {
  auto& state = self->state;
  for (auto more = static_cast<bool>(state.worker); more;) {
    auto step = state.ledger.next();
    for (auto& key : step.evict)
      tell_to_unload(self, key);
    if (step.refused)
      refuse(self, *step.refused);
    if (step.granted)
      grant(self, *step.granted);
    more = step.refused || step.granted;
  }
}

device_manager_state::~device_manager_state() {
  if (worker)
    caf::anon_send_exit(worker, caf::exit_reason::user_shutdown);
}

device_manager_actor::behavior_type device_manager(self_pointer self, device_options options) {
  set_actor_defaults(self);
  auto& state = self->state;
  state.ledger = device_ledger{options.budget_bytes};
  state.attention = std::make_shared<std::atomic<attention_mode>>(options.mode);
  state.restarts = restart_policy{options.restarts, options.seed};
  state.options = std::move(options);
  self->set_down_handler([self](caf::down_msg& x) {
    if (self->state.worker && x.source == self->state.worker.address())
      worker_died(self, x.reason);
    else
      forget_holder(self, x.source);
  });
  start_worker(self);
  return {
    [self](lease_atom, const std::shared_ptr<lease_request>& x) { return lease(self, x); },
    [self](release_atom, uint64_t id, uint64_t weight_bytes) { release(self, id, weight_bytes); },
    [self](cancel_atom, uint64_t id) { withdraw(self, id); },
    [self](unload_atom, const std::vector<model_kind>& kinds,
           const std::vector<std::string>& names) { return unload(self, kinds, names); },
    [self](attention_atom, attention_mode mode) { return set_attention(self, mode); },
    [self](status_atom) { return row_of(self->state); },
    [self](expire_atom, uint64_t generation) { expire(self, generation); },
    [self](unload_atom, uint64_t number) { stop_waiting(self, number); },
    [self](restart_atom, uint64_t generation) {
      if (generation != self->state.worker_generation || self->state.worker)
        return;
      start_worker(self);
      pump(self);
    },
  };
}

} // namespace luna
