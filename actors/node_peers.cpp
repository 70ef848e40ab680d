#include <caf/all.hpp>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "actors/dialer.hpp"
#include "actors/node_manager_parts.hpp"
#include "messages/error.hpp"

namespace luna::node_parts_of {

namespace {

constexpr std::chrono::seconds dial_patience{60};
constexpr std::chrono::seconds join_patience{10};

const peer_address* address_of(self_pointer self, const std::string& node) {
  auto& nodes = self->state.plan.nodes;
  auto i = std::find_if(nodes.begin(), nodes.end(), [&](auto& x) { return x.node == node; });
  return i == nodes.end() ? nullptr : &*i;
}

/// Whether this node connects to that one: the later node of the configuration does.
bool we_dial(self_pointer self, const std::string& node) {
  for (auto& x : self->state.plan.nodes) {
    if (x.node == self->state.plan.node)
      return false;
    if (x.node == node)
      return true;
  }
  return false;
}

node_greeting greeting(self_pointer self) {
  auto& plan = self->state.plan;
  return {plan.cluster, plan.node, plan.version, caf::actor_cast<node_manager_actor>(self->ctrl())};
}

result<void> check(self_pointer self, const node_greeting& x) {
  auto& plan = self->state.plan;
  if (x.cluster != plan.cluster)
    return fail(ec::not_permitted,
                "this is cluster '" + plan.cluster + "', not '" + x.cluster + "'");
  if (x.node == plan.node || !address_of(self, x.node))
    return fail(ec::not_permitted, "node '" + x.node + "' is not in this node's configuration");
  if (!x.manager)
    return fail(ec::bad_request, "a greeting without a node manager");
  return {};
}

void node_event(self_pointer self, const std::string& node, std::string_view state) {
  publish(self, "node", nlohmann::json{{"event", "node"}, {"name", node}, {"state", state}}.dump());
}

void peer_up(self_pointer self, const node_greeting& x) {
  auto& peer = self->state.peers[x.node];
  if (peer.manager != x.manager)
    self->monitor(x.manager);
  peer.manager = x.manager;
  peer.events = nullptr;
  peer.heard = false;
  spdlog::info("{} met node {} ({})", self->state.plan.node, x.node, x.version);
  node_event(self, x.node, "up");
  send_snapshot(self, x.manager);
}

void dial_again(self_pointer self, const std::string& node, const std::string& problem) {
  auto& state = self->state;
  auto& dialing = state.dials[node];
  if (state.stopping)
    return;
  if (problem != dialing.last_problem)
    spdlog::warn("{} has no connection to node {}: {}", state.plan.node, node, problem);
  dialing.last_problem = problem;
  auto pause = state.plan.redial * (1 << std::min<uint32_t>(dialing.failures++, 3));
  self->delayed_send(self, pause, dial_atom_v, node);
}

void join(self_pointer self, const std::string& node, const node_manager_actor& manager) {
  self->request(manager, join_patience, join_atom_v, greeting(self))
    .then(
      [self, node](const node_greeting& x) {
        if (auto ok = check(self, x); !ok)
          return dial_again(self, node, ok.error().message);
        if (x.node != node)
          return dial_again(self, node, "the address of " + node + " is node " + x.node);
        self->state.dials[node].failures = 0;
        self->state.dials[node].last_problem.clear();
        peer_up(self, x);
      },
      [self, node](const caf::error& err) {
        dial_again(self, node, to_failure(err, "node " + node).message);
      });
}

} // namespace

void dial_earlier_nodes(self_pointer self) {
  for (auto& x : self->state.plan.nodes)
    if (we_dial(self, x.node))
      dial(self, x.node);
}

void dial(self_pointer self, const std::string& node) {
  auto& state = self->state;
  auto* address = address_of(self, node);
  if (state.stopping || !address || state.peers.count(node))
    return;
  auto& dialing = state.dials[node];
  if (!dialing.dialer)
    dialing.dialer = state.plan.make_dialer(self->home_system());
  dial_order order{node, address->host, address->port, state.plan.tls};
  self->request(dialing.dialer, dial_patience, dial_atom_v, std::move(order))
    .then([self, node](const node_manager_actor& manager) { join(self, node, manager); },
          [self, node](const caf::error& err) {
            dial_again(self, node, to_failure(err, "the dialer").message);
          });
}

caf::result<node_greeting> welcome(self_pointer self, const node_greeting& x) {
  if (auto ok = check(self, x); !ok) {
    spdlog::warn("{} refused a node: {}", self->state.plan.node, ok.error().message);
    return make_error(ok.error());
  }
  peer_up(self, x);
  return greeting(self);
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
  if (we_dial(self, node))
    dial(self, node);
}

} // namespace luna::node_parts_of
