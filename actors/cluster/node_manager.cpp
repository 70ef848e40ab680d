#include "actors/cluster/node_manager.hpp"

#include <caf/all.hpp>

#include <utility>

#include "actors/cluster/node_manager_parts.hpp"
#include "actors/support/actor_defaults.hpp"
#include "messages/error.hpp"

namespace luna {

using namespace node_parts_of;

namespace {

void tick(self_pointer self) {
  auto& state = self->state;
  if (state.stopping)
    return;
  if (state.parts.supervisor)
    follow(self, state.parts.supervisor);
  refresh_snapshot(self, true);
  self->delayed_send(self, state.plan.tick, tick_atom_v);
}

} // namespace

node_manager_actor::behavior_type node_manager(self_pointer self, node_plan plan) {
  set_actor_defaults(self);
  auto& state = self->state;
  state.plan = std::move(plan);
  state.state = state.plan.kept;
  self->set_down_handler([self](caf::down_msg& x) {
    if (!child_down(self, x) && !joining_failed(self, x))
      peer_down(self, x);
  });
  state.parts.manager = caf::actor_cast<node_manager_actor>(self->ctrl());
  auto started = start_children(self);
  if (started) {
    dial_all_nodes(self);
    self->send(self, tick_atom_v); // the first snapshot says that the node has started
  } else {
    std::exchange(state.plan.on_started, nullptr)(std::move(started));
  }
  return {
    [self](join_atom, const node_greeting& x) { return welcome(self, x); },
    [self](snapshot_atom, node_snapshot& x) { take_snapshot(self, x); },
    [self](command_atom, uint64_t epoch, const cluster_command& command) {
      return obey(self, epoch, command);
    },
    [self](control_atom, const cluster_command& command) { return ask_supervisor(self, command); },
    [self](run_atom, const cluster_command& command) {
      return obey(self, self->state.state.epoch, command);
    },
    [self](drain_atom, uint32_t deadline_ms) {
      stop(self, std::chrono::milliseconds{deadline_ms}, self->state.exit_status);
    },
    [self](tick_atom) { tick(self); },
    [self](restart_atom, const std::string& name) { restart_child(self, name); },
    [self](dial_atom, const std::string& node) { redial(self, node); },
  };
}

} // namespace luna
