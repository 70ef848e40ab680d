#pragma once

#include <caf/typed_event_based_actor.hpp>

#include <map>
#include <string>
#include <vector>

#include "messages/actors.hpp"
#include "messages/cluster.hpp"

namespace luna {

/// The cluster-wide commands.
///
/// The problem: "use flash attention from now on" must reach every device of every node, whoever
/// gave it must learn who did not follow, and a node that was away must follow when it comes back.
///
/// Contract: a command is answered exactly once, with at least one entry for every node of the
/// configuration; nothing is rolled back. Every command raises the epoch by one. When a node joins,
/// the higher epoch wins: a node that missed a mode is given it; a node that knows a later epoch
/// than the supervisor (whose disk was lost, say) raises the supervisor's, and its mode goes to the
/// others.
struct supervisor_state {
  static inline const char* name = "supervisor";

  std::vector<std::string> nodes; ///< of the configuration
  std::map<std::string, node_manager_actor> live;
  cluster_state state;
};

/// Runs the supervisor of a cluster.
/// @param nodes all nodes of the configuration.
/// @param kept the state that its home node has on disk.
supervisor_actor::behavior_type
supervisor(supervisor_actor::stateful_pointer<supervisor_state> self,
           std::vector<std::string> nodes, cluster_state kept);

} // namespace luna
