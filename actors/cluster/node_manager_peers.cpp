#include <caf/all.hpp>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "actors/cluster/node_manager_parts.hpp"
#include "messages/error.hpp"

namespace luna::node_parts_of {

namespace {

constexpr std::chrono::seconds join_patience{10};

void node_event(self_pointer self, const std::string& node, std::string_view state) {
  publish(self, "node", nlohmann::json{{"event", "node"}, {"name", node}, {"state", state}}.dump());
}

} // namespace

void watch(self_pointer self, const node_manager_actor& manager) {
  self->demonitor(manager.address());
  self->monitor(manager);
}

void peer_up(self_pointer self, const node_greeting& x) {
  auto& peer = self->state.peers[x.node];
  watch(self, x.manager);
  peer.manager = x.manager;
  peer.events = nullptr;
  peer.heard = false;
  spdlog::info("{} met node {} ({})", self->state.plan.node, x.node, x.version);
  node_event(self, x.node, "up");
  send_snapshot(self, x.manager);
}

void take_snapshot(self_pointer self, node_snapshot& x) {
  auto& state = self->state;
  auto peer = state.peers.find(x.node);
  if (peer == state.peers.end())
    return; // it went away while the message was on its way
  // Whoever connected may not have known us when our first snapshot came: it has told us its own
  // now.
  if (!std::exchange(peer->second.heard, true))
    send_snapshot(self, peer->second.manager);
  if (x.events && peer->second.events != x.events) {
    peer->second.events = x.events;
    self->send(state.parts.events, join_atom_v, caf::actor_cast<caf::strong_actor_ptr>(x.events));
  }
  if (x.supervisor)
    follow(self, x.supervisor);
  self->send(state.parts.directory, snapshot_atom_v, std::move(x));
}

void follow(self_pointer self, const supervisor_actor& supervisor) {
  auto& state = self->state;
  if (state.supervisor == supervisor)
    return;
  state.supervisor = supervisor;
  self->monitor(supervisor);
  self
    ->request(supervisor, join_patience, join_atom_v, state.plan.node,
              caf::strong_actor_ptr{self->ctrl()}, state.state)
    .then([self](const cluster_state& x) { adopt(self, x); },
          [self](const caf::error& err) {
            spdlog::warn("{} could not join the supervisor: {}", self->state.plan.node,
                         to_failure(err, "the supervisor").message);
            self->state.supervisor = nullptr; // the next snapshot of its home tries again
          });
}

void peer_down(self_pointer self, const caf::down_msg& x) {
  auto& state = self->state;
  if (state.supervisor && state.supervisor.address() == x.source)
    state.supervisor = nullptr;
  auto i = std::find_if(state.peers.begin(), state.peers.end(),
                        [&](auto& peer) { return peer.second.manager.address() == x.source; });
  if (i == state.peers.end())
    return;
  auto node = i->first;
  // The handle is a black hole from now on: forget it before anything else.
  state.peers.erase(i);
  self->send(state.parts.directory, drop_atom_v, node);
  spdlog::warn("{} lost node {}: {}", state.plan.node, node, self->home_system().render(x.reason));
  node_event(self, node, "away");
  dial_lost_node(self, node);
}

} // namespace luna::node_parts_of
