#include <caf/all.hpp>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "actors/cluster/node_manager_parts.hpp"
#include "messages/error.hpp"

namespace luna::node_parts_of {

namespace {

/// The exit status that asks a supervisor outside to start the node again (EX_SOFTWARE).
constexpr int gave_up = 70;

const child_spec& spec_of(self_pointer self, const std::string& name) {
  auto& specs = self->state.plan.children;
  return *std::find_if(specs.begin(), specs.end(), [&](auto& x) { return x.name == name; });
}

result<void> start_child(self_pointer self, const child_spec& spec) {
  auto& state = self->state;
  auto handle = spec.start(self->home_system(), state.parts);
  if (!handle)
    return fail(handle);
  self->monitor(*handle);
  auto i = state.children.find(spec.name);
  if (i == state.children.end())
    i = state.children
          .emplace(spec.name,
                   node_manager_state::child{nullptr, nullptr,
                                             restart_policy{state.plan.limits, state.plan.seed}})
          .first;
  i->second.address = caf::actor_cast<caf::actor_addr>(*handle);
  i->second.handle = std::move(*handle);
  return {};
}

/// A child's name as events tell it: that of a pool without "pools/".
std::string plain_name(const std::string& child) {
  return child.substr(child.rfind('/') + 1);
}

/// Ends the children that hold handles of one that died; they come back by their own timers.
void end_dependents(self_pointer self, const std::string& name) {
  for (auto& spec : self->state.plan.children) {
    auto& needs = spec.depends_on;
    auto child = self->state.children.find(spec.name);
    if (child != self->state.children.end() && child->second.handle
        && std::find(needs.begin(), needs.end(), name) != needs.end())
      self->send_exit(child->second.handle, caf::exit_reason::user_shutdown);
  }
}

/// Whether everything that a child needs is running.
bool needs_met(self_pointer self, const child_spec& spec) {
  return std::all_of(spec.depends_on.begin(), spec.depends_on.end(), [&](auto& name) {
    auto i = self->state.children.find(name);
    return i != self->state.children.end() && i->second.handle;
  });
}

void schedule_restart(self_pointer self, const std::string& name, const caf::error& reason) {
  auto pause = self->state.children.at(name).policy.failed(self->clock().now());
  if (!pause) {
    spdlog::critical("node {} gives up: {} crashed too often, last with {}", self->state.plan.node,
                     name, self->home_system().render(reason));
    return stop(self, std::chrono::milliseconds{0}, gave_up);
  }
  spdlog::error("{}/{} ended with {}; it starts again in {} ms", self->state.plan.node, name,
                self->home_system().render(reason), pause->count());
  self->delayed_send(self, *pause, restart_atom_v, name);
}

} // namespace

result<void> start_children(self_pointer self) {
  for (auto& spec : self->state.plan.children)
    if (auto ok = start_child(self, spec); !ok)
      return ok;
  apply_mode(self);
  return {};
}

void restart_child(self_pointer self, const std::string& name) {
  auto& state = self->state;
  if (state.stopping || state.children.at(name).handle)
    return;
  auto& spec = spec_of(self, name);
  if (!needs_met(self, spec))
    return schedule_restart(self, name,
                            make_error(ec::unavailable, "what it needs is not running"));
  if (auto ok = start_child(self, spec); !ok)
    return schedule_restart(self, name, make_error(ok.error()));
  spdlog::info("{}/{} runs again", state.plan.node, name);
  apply_mode(self); // a new device starts with the default
  publish(self, "pool",
          nlohmann::json{{"event", "pool"},
                         {"node", state.plan.node},
                         {"name", plain_name(name)},
                         {"state", "restarted"}}
            .dump());
  refresh_snapshot(self, false);
}

bool child_down(self_pointer self, const caf::down_msg& x) {
  auto& state = self->state;
  auto i = std::find_if(state.children.begin(), state.children.end(),
                        [&](auto& child) { return child.second.address == x.source; });
  if (i == state.children.end())
    return false;
  i->second.handle = nullptr;
  spec_of(self, i->first).forget(state.parts);
  if (state.stopping) {
    child_ended(self);
    return true;
  }
  end_dependents(self, i->first);
  schedule_restart(self, i->first, x.reason);
  refresh_snapshot(self, false);
  return true;
}

} // namespace luna::node_parts_of
