#pragma once

#include <caf/typed_event_based_actor.hpp>

#include <map>
#include <string>
#include <vector>

#include "messages/actors.hpp"
#include "messages/cluster.hpp"

namespace luna {

/// Events for clients that subscribed, across all nodes.
///
/// The problem: a client is connected to one node and wants to hear of jobs on another. So every
/// node has a hub; a hub tells the others which topics somebody here listens to, and they send only
/// those.
///
/// Contract: an event reaches every listener that was subscribed when it was published, in the
/// order of publishing of its node. Events are news, not records: nothing is kept for later.
struct event_hub_state {
  static inline const char* name = "event_hub";

  struct subscription {
    listener_actor listener;
    std::vector<std::string> topics;
  };

  std::map<caf::actor_addr, subscription> listeners;
  std::map<caf::actor_addr, event_hub_actor> peers;
  std::map<caf::actor_addr, std::vector<std::string>> wanted; ///< by peers
  std::vector<std::string> interest;                          ///< what we told the peers
};

/// The topics that exist, for validation.
const std::vector<std::string>& event_topics();

/// Runs the hub of a node.
event_hub_actor::behavior_type event_hub(event_hub_actor::stateful_pointer<event_hub_state> self);

} // namespace luna
