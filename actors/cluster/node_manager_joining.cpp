#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <utility>

#include "actors/cluster/dialer.hpp"
#include "actors/cluster/node_manager_parts.hpp"
#include "messages/error.hpp"
#include "tls/tls_problem.hpp"

namespace luna::node_parts_of {

namespace {

constexpr std::chrono::seconds dial_patience{60};
constexpr std::chrono::seconds join_patience{3};
constexpr std::chrono::seconds identity_patience{2};

/// A refusal whose reason stays the same is logged again after this time.
constexpr std::chrono::seconds refusal_pause{60};

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
  return {plan.cluster, plan.node, plan.version, caf::actor_cast<node_manager_actor>(self->ctrl()),
          plan.agreement};
}

// -- whom to let in ---

/// "nodes: alpha has 'alpha, beta', beta has 'beta, alpha'", for each key that differs.
std::string differences(const node_plan& ours, const node_greeting& theirs) {
  auto value = [](auto& from, const std::string& key) {
    auto i = from.find(key);
    return i == from.end() ? std::string{"nothing"} : "'" + i->second + "'";
  };
  std::set<std::string> keys;
  for (auto* side : {&ours.agreement, &theirs.agreement})
    for (auto& [key, text] : *side)
      keys.insert(key);
  std::string text;
  for (auto& key : keys)
    if (auto here = value(ours.agreement, key), there = value(theirs.agreement, key); here != there)
      text += (text.empty() ? "" : "; ") + key + ": " + ours.node + " has " + here + ", "
            + theirs.node + " has " + there;
  return text;
}

result<void> check(self_pointer self, const node_greeting& x) {
  auto& plan = self->state.plan;
  if (x.cluster != plan.cluster)
    return fail(ec::not_permitted,
                "this is cluster '" + plan.cluster + "', not '" + x.cluster + "'");
  if (auto text = differences(plan, x); !text.empty())
    return fail(ec::not_permitted, "cluster.conf must be the same on " + plan.node + " and "
                                     + x.node + ", and differs in " + text);
  if (x.node == plan.node || !address_of(self, x.node))
    return fail(ec::not_permitted, "node '" + x.node + "' is not in this node's configuration");
  if (!x.manager)
    return fail(ec::bad_request, "a greeting without a node manager");
  return {};
}

/// Says whom it refuses, but not each time: it will try again every second.
caf::error refuse(self_pointer self, const std::string& node, const failure& why) {
  auto known = address_of(self, node) != nullptr;
  auto& last = self->state.refusals[known ? node : ""];
  auto now = std::chrono::steady_clock::now();
  auto changed = known ? last.problem != why.message : last.problem.empty();
  if (changed || now - last.said >= refusal_pause) {
    spdlog::warn("{} refused a node: {}", self->state.plan.node, why.message);
    last = {why.message, now};
  }
  return make_error(why);
}

node_greeting accept(self_pointer self, const node_greeting& x) {
  self->state.refusals.erase(x.node);
  peer_up(self, x);
  return greeting(self);
}

/// @param proven node names of a certificate, separated by commas.
bool proves(const std::string& proven, const std::string& node) {
  return ("," + proven + ",").find("," + node + ",") != std::string::npos;
}

failure not_proved(const std::string& node, const std::string& proven) {
  return {ec::not_permitted,
          "a node calls itself '" + node + "', and its certificate carries '" + proven + "'",
          0,
          {}};
}

// -- connecting ---

void dial_later(self_pointer self, const std::string& node, std::chrono::milliseconds pause) {
  if (!std::exchange(self->state.dials[node].scheduled, true))
    self->delayed_send(self, pause, dial_atom_v, node);
}

void dial_again(self_pointer self, const std::string& node, const std::string& problem) {
  auto& state = self->state;
  auto& dialing = state.dials[node];
  dialing.busy = false;
  dialing.joining = nullptr;
  if (state.stopping)
    return;
  auto gist = tls::without_clock(problem);
  if (gist != dialing.last_problem && !state.peers.count(node))
    spdlog::warn("{} has no connection to node {}: {}", state.plan.node, node, problem);
  dialing.last_problem = std::move(gist);
  auto pause = dialing.failures++ == 0 ? state.plan.redial : 2 * state.plan.redial;
  dial_later(self, node, we_dial(self, node) ? pause : state.plan.courtesy);
}

/// Greets a node that was reached. It may be about to end: then its end is the answer.
void join(self_pointer self, const std::string& node, const node_manager_actor& manager) {
  self->state.dials[node].joining = manager.address();
  watch(self, manager);
  auto pending = [self, node, manager] {
    return self->state.dials[node].joining == manager.address();
  };
  self->request(manager, join_patience, join_atom_v, greeting(self))
    .then(
      [self, node, pending](const node_greeting& x) {
        if (!pending())
          return;
        if (auto ok = check(self, x); !ok)
          return dial_again(self, node, ok.error().message);
        if (x.node != node)
          return dial_again(self, node, "the address of " + node + " is node " + x.node);
        auto& dialing = self->state.dials[node];
        dialing.busy = false;
        dialing.joining = nullptr;
        dialing.failures = 0;
        dialing.last_problem.clear();
        peer_up(self, x);
      },
      [self, node, pending](const caf::error& err) {
        if (pending())
          dial_again(self, node, to_failure(err, "node " + node).message);
      });
}

void dial(self_pointer self, const std::string& node) {
  auto& state = self->state;
  auto* address = address_of(self, node);
  if (state.stopping || !address || state.peers.count(node))
    return;
  auto& dialing = state.dials[node];
  if (std::exchange(dialing.busy, true))
    return;
  if (!dialing.dialer)
    dialing.dialer = state.plan.make_dialer(self->home_system());
  dial_order order{node, address->host, address->port};
  self->request(dialing.dialer, dial_patience, dial_atom_v, std::move(order))
    .then([self, node](const node_manager_actor& manager) { join(self, node, manager); },
          [self, node](const caf::error& err) {
            dial_again(self, node, to_failure(err, "the dialer").message);
          });
}

} // namespace

void dial_lost_node(self_pointer self, const std::string& node) {
  if (we_dial(self, node))
    dial(self, node);
  else
    dial_later(self, node, self->state.plan.courtesy);
}

void dial_all_nodes(self_pointer self) {
  for (auto& x : self->state.plan.nodes)
    if (x.node != self->state.plan.node)
      dial_lost_node(self, x.node);
}

void redial(self_pointer self, const std::string& node) {
  self->state.dials[node].scheduled = false;
  dial(self, node);
}

bool joining_failed(self_pointer self, const caf::down_msg& x) {
  for (auto& [node, dialing] : self->state.dials)
    if (dialing.joining && dialing.joining == x.source) {
      dial_again(self, std::string{node}, "it ended while it was asked to let this node in");
      return true;
    }
  return false;
}

caf::result<node_greeting> welcome(self_pointer self, const node_greeting& x) {
  auto& state = self->state;
  if (state.stopping)
    return make_error(failure{ec::shutting_down, "node " + state.plan.node + " stops", 0, {}});
  if (auto ok = check(self, x); !ok)
    return refuse(self, x.node, ok.error());
  if (!state.plan.identities)
    return accept(self, x);
  auto promise = self->make_response_promise<node_greeting>();
  auto peer = caf::actor_cast<caf::strong_actor_ptr>(x.manager)->node();
  self->request(state.plan.identities, identity_patience, caf::get_atom_v, peer)
    .then(
      [self, promise, x](const caf::node_id&, const std::string& proven, uint16_t) mutable {
        if (proves(proven, x.node))
          promise.deliver(accept(self, x));
        else
          promise.deliver(refuse(self, x.node, not_proved(x.node, proven)));
      },
      [self, promise, x](const caf::error& err) mutable {
        promise.deliver(refuse(self, x.node, to_failure(err, "the connections of this node")));
      });
  return promise;
}

} // namespace luna::node_parts_of
