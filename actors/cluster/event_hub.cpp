#include "actors/cluster/event_hub.hpp"

#include <caf/all.hpp>

#include <algorithm>
#include <set>
#include <utility>

#include "actors/support/actor_defaults.hpp"

namespace luna {

namespace {

using self_pointer = event_hub_actor::stateful_pointer<event_hub_state>;

bool contains(const std::vector<std::string>& xs, const std::string& x) {
  return std::find(xs.begin(), xs.end(), x) != xs.end();
}

void tell_listeners(self_pointer self, const event& x) {
  for (auto& [address, entry] : self->state.listeners)
    if (contains(entry.topics, x.topic))
      self->send(entry.listener, publish_atom_v, x);
}

void tell_interest(self_pointer self, const event_hub_actor& peer) {
  self->send(peer, interest_atom_v, caf::strong_actor_ptr{self->ctrl()}, self->state.interest);
}

/// Tells the peers when the topics that somebody here listens to have changed.
void update_interest(self_pointer self) {
  std::set<std::string> topics;
  for (auto& [address, entry] : self->state.listeners)
    topics.insert(entry.topics.begin(), entry.topics.end());
  std::vector<std::string> interest{topics.begin(), topics.end()};
  if (interest == self->state.interest)
    return;
  self->state.interest = std::move(interest);
  for (auto& [address, peer] : self->state.peers)
    tell_interest(self, peer);
}

void meet(self_pointer self, const caf::strong_actor_ptr& hub) {
  auto peer = caf::actor_cast<event_hub_actor>(hub);
  if (peer && self->state.peers.emplace(peer.address(), peer).second)
    self->monitor(peer);
}

void subscribe(self_pointer self, const listener_actor& who, std::vector<std::string>& topics) {
  auto& listeners = self->state.listeners;
  if (topics.empty()) {
    if (listeners.erase(who.address()) > 0)
      self->demonitor(who.address());
  } else {
    if (listeners.count(who.address()) == 0)
      self->monitor(who);
    listeners[who.address()] = {who, std::move(topics)};
  }
  update_interest(self);
}

} // namespace

const std::vector<std::string>& event_topics() {
  static const std::vector<std::string> topics{"job", "pool", "node", "attention"};
  return topics;
}

event_hub_actor::behavior_type event_hub(self_pointer self) {
  set_actor_defaults(self);
  self->set_down_handler([self](caf::down_msg& x) {
    self->state.peers.erase(x.source);
    self->state.wanted.erase(x.source);
    if (self->state.listeners.erase(x.source) > 0)
      update_interest(self);
  });
  return {
    [self](publish_atom, const event& x) {
      tell_listeners(self, x);
      for (auto& [address, topics] : self->state.wanted)
        if (contains(topics, x.topic))
          self->send(self->state.peers[address], answer_atom_v, x);
    },
    [self](subscribe_atom, const listener_actor& who, std::vector<std::string>& topics) {
      subscribe(self, who, topics);
    },
    [self](interest_atom, const caf::strong_actor_ptr& hub, std::vector<std::string>& topics) {
      meet(self, hub);
      self->state.wanted[caf::actor_cast<caf::actor_addr>(hub)] = std::move(topics);
    },
    [self](answer_atom, const event& x) { tell_listeners(self, x); },
    [self](join_atom, const caf::strong_actor_ptr& hub) {
      meet(self, hub);
      if (auto peer = caf::actor_cast<event_hub_actor>(hub))
        tell_interest(self, peer);
    },
  };
}

} // namespace luna
