#pragma once

#include "actors/cluster/node_manager.hpp"

// INTERNAL to the node manager, one idea a file: its children, the other nodes, its snapshot, the
// commands, the stop.

namespace luna::node_parts_of {

using self_pointer = node_manager_actor::stateful_pointer<node_manager_state>;

// -- node_manager_children.cpp -------------------------------------------------

/// Starts all children in order; stops at the first that cannot start.
result<void> start_children(self_pointer self);

/// Starts one child again. Called by its restart timer.
void restart_child(self_pointer self, const std::string& name);

/// A child died. @returns whether it was one of ours.
bool child_down(self_pointer self, const caf::down_msg& x);

// -- node_manager_joining.cpp --------------------------------------------------

/// Starts connecting: at once to the nodes before this one in the configuration, to the others when
/// they have not come by themselves.
void dial_all_nodes(self_pointer self);

/// The same for one node that went away.
void dial_lost_node(self_pointer self, const std::string& node);

/// A timer's word that it is time to connect to a node again.
void redial(self_pointer self, const std::string& node);

/// Another node connected to us. @returns our greeting, or why it may not come in.
caf::result<node_greeting> welcome(self_pointer self, const node_greeting& x);

/// A node ended while it was asked to let us in. @returns whether that is what happened.
bool joining_failed(self_pointer self, const caf::down_msg& x);

// -- node_manager_peers.cpp ----------------------------------------------------

/// Lets the end of another node's manager be told, once.
void watch(self_pointer self, const node_manager_actor& manager);

/// Another node is known and alive from now on.
void peer_up(self_pointer self, const node_greeting& x);

/// What another node says of itself.
void take_snapshot(self_pointer self, node_snapshot& x);

/// A node's manager, or the supervisor, went away.
void peer_down(self_pointer self, const caf::down_msg& x);

/// Joins the supervisor that is in charge now.
void follow(self_pointer self, const supervisor_actor& supervisor);

// -- node_manager_snapshot.cpp -------------------------------------------------

/// Asks all children how they are and sends what changed. @param with_models: the model files, too.
void refresh_snapshot(self_pointer self, bool with_models);

/// Sends the epoch and the mode in force at once: who asks after an acknowledgement sees them.
void send_mode(self_pointer self);

/// Sends the last snapshot to one node, or to the directory and all nodes.
void send_snapshot(self_pointer self, const node_manager_actor& to);
void send_snapshot(self_pointer self);

void publish(self_pointer self, std::string topic, std::string json);

// -- node_manager_commands.cpp -------------------------------------------------

/// Carries out a command on this node.
caf::result<command_report> obey(self_pointer self, uint64_t epoch, const cluster_command& command);

/// Adopts a later epoch and mode without an answer to anyone.
void adopt(self_pointer self, const cluster_state& state);

/// Tells all devices the mode in force.
void apply_mode(self_pointer self);

/// Hands a command to the supervisor.
caf::result<command_report> ask_supervisor(self_pointer self, const cluster_command& command);

// -- node_manager_stop.cpp -----------------------------------------------------

/// Stops the node: drains in order within `deadline`, then ends the children in reverse order.
void stop(self_pointer self, std::chrono::milliseconds deadline, int exit_status);

/// A child ended while the node stops.
void child_ended(self_pointer self);

} // namespace luna::node_parts_of
