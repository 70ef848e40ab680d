#include "actors/pool/model_pool.hpp"

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <utility>

#include "actors/pool/model_pool_parts.hpp"
#include "actors/support/actor_defaults.hpp"
#include "messages/error.hpp"

namespace luna {

namespace {

using namespace pool_parts;

constexpr uint32_t gone_retry_ms = 500;

failure cancelled(const char* why) {
  return {ec::cancelled, why, 0, {}};
}

/// Without its device or catalog a pool can do nothing; whoever started it starts it again with the
/// new ones.
void give_up(self_pointer self, const char* who) {
  spdlog::error("pool {} ends: its {} is gone", self->state.options.name, who);
  failure why{ec::unavailable,
              "pool " + self->state.options.name + " is being restarted; try again",
              gone_retry_ms,
              {}};
  end_all(self, why);
  self->quit(make_error(why));
}

void on_down(self_pointer self, const caf::actor_addr& gone) {
  auto& state = self->state;
  if (gone == state.device.address())
    give_up(self, "device manager");
  else if (gone == state.catalog.address())
    give_up(self, "catalog");
  else if (state.preparer && gone == state.preparer.address())
    preparer_died(self);
  else
    worker_died(self, gone);
}

pool_row row_of(const model_pool_state& state) {
  pool_row row;
  row.name = state.options.name;
  row.kind = state.options.kind;
  row.device = state.options.device;
  row.queued = waiting_tasks(state);
  row.running = running_tasks(state);
  row.completed = state.stats.completed();
  row.failed = state.stats.failed();
  row.p50_us = state.stats.percentile_us(0.5);
  row.p95_us = state.stats.percentile_us(0.95);
  return row;
}

/// Whatever ends the pool, its callers hear of it.
void set_last_words(self_pointer self) {
  self->set_exit_handler([self](caf::exit_msg& x) {
    end_all(self, {ec::shutting_down, "pool " + self->state.options.name + " stops", 0, {}});
    self->quit(x.reason);
  });
  self->set_exception_handler([self](std::exception_ptr& x) {
    auto reason = log_exception(self, x);
    end_all(self, {ec::internal, "a defect in pool " + self->state.options.name, 0, {}});
    return reason;
  });
}

} // namespace

model_pool_state::~model_pool_state() {
  for (auto& [id, task] : tasks)
    task.stop.request_stop();
  if (preparer)
    caf::anon_send_exit(preparer, caf::exit_reason::user_shutdown);
}

model_pool_actor::behavior_type model_pool(self_pointer self, pool_options options,
                                           catalog_actor catalog, device_actor device,
                                           thread_policy helpers) {
  set_actor_defaults(self);
  set_last_words(self);
  auto& state = self->state;
  state.options = std::move(options);
  state.catalog = std::move(catalog);
  state.device = std::move(device);
  state.helpers = helpers;
  self->set_down_handler([self](caf::down_msg& x) { on_down(self, x.source); });
  self->monitor(state.catalog);
  self->monitor(state.device);
  spawn_preparer(self);
  return {
    [self](run_atom, model_task& task) { return accept(self, task); },
    [self](cancel_atom, uint64_t id) {
      end_early(self, id, cancelled("the request was cancelled"));
    },
    [self](reset_atom) { return end_all(self, cancelled("a reset cancelled the request")); },
    [self](drain_atom) -> caf::result<bool> {
      self->state.draining = true;
      auto promise = self->make_response_promise<bool>();
      self->state.drained.push_back(promise);
      tell_if_drained(self);
      return promise;
    },
    [self](status_atom) { return row_of(self->state); },
    [self](expire_atom, uint64_t generation) { expire(self, generation); },
  };
}

} // namespace luna
