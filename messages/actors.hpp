#pragma once

#include <caf/typed_actor.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include "messages/type_ids.hpp"

// The catalogue of the interfaces that are spoken between nodes, a sentence for each handler: all
// that they carry can be serialised. Interfaces that stay inside a process stand beside their
// actors, in a header of their own, and may carry tensors and plain pointers.

namespace luna {

/// The PROGRESS LISTENER interface.
using progress_actor = caf::typed_actor<
  // Hears how far a task is.
  caf::reacts_to<progress_atom, task_progress>>;

/// The EVENT LISTENER interface.
using listener_actor = caf::typed_actor<
  // Hears an event of a topic that it subscribed.
  caf::reacts_to<publish_atom, event>>;

/// The EVENT HUB interface: one a node.
using event_hub_actor = caf::typed_actor<
  // Tells everyone who subscribed the event's topic, here and on other nodes.
  caf::reacts_to<publish_atom, event>,
  // Subscribes a listener of this node to topics; again replaces the topics, none ends it.
  caf::reacts_to<subscribe_atom, listener_actor, std::vector<std::string>>,
  // INTERNAL, from the hub of another node: which topics it wants to hear from here.
  caf::reacts_to<interest_atom, caf::strong_actor_ptr, std::vector<std::string>>,
  // INTERNAL, from the hub of another node: an event there.
  caf::reacts_to<answer_atom, event>,
  // The hub of a node that joined.
  caf::reacts_to<join_atom, caf::strong_actor_ptr>>;

/// The EXCHANGE PEER interface: one a node, spoken between nodes. Requests with tensors, in chunks.
using exchange_peer_actor = caf::typed_actor<
  // Offers a call; the answer is how many chunks may be on their way (none: it has no tensors).
  caf::replies_to<open_atom, call_offer>::with<chunk_grant>,
  // A piece of a tensor, in either direction.
  caf::reacts_to<chunk_atom, tensor_chunk>,
  // Allows more chunks of a call (true: of its reply).
  caf::reacts_to<credit_atom, uint64_t, bool, chunk_grant>,
  // How the call ended.
  caf::reacts_to<answer_atom, call_answer>,
  // The caller no longer wants the call.
  caf::reacts_to<cancel_atom, uint64_t>,
  // How far the call is.
  caf::reacts_to<progress_atom, task_progress>>;

/// The SAVE QUEUE interface, spoken between nodes: all but the submit, whose images go by the
/// exchange. Answers are the JSON of the protocol's job_status.
using save_queue_actor = caf::typed_actor<
  // The state of a job.
  caf::replies_to<status_atom, std::string>::with<std::string>,
  // The state of a job when it is at an end, or after so many milliseconds.
  caf::replies_to<wait_atom, std::string, uint32_t>::with<std::string>,
  // Cancels what is not written yet.
  caf::replies_to<cancel_atom, std::string>::with<std::string>,
  // Takes a failed job up again.
  caf::replies_to<retry_atom, std::string>::with<std::string>,
  // Forgets a job that is finished, with its pictures; the answer is its last state.
  caf::replies_to<discard_atom, std::string>::with<std::string>,
  // The newest jobs, of a state or ("") of all, at most so many.
  caf::replies_to<list_atom, std::string, uint32_t>::with<std::string>,
  // The queue's stats, as get_status shows them.
  caf::replies_to<status_atom>::with<std::string>,
  // What stands in a client's proof file: an output folder and the file's nonce. JSON.
  caf::replies_to<probe_atom, std::string, std::string>::with<std::string>>;

/// The SUPERVISOR interface: the control plane, at home on the first node.
using supervisor_actor = caf::typed_actor<
  // Sends a command to all nodes; answers when all have, or with who did not.
  caf::replies_to<command_atom, cluster_command>::with<command_report>,
  // Takes a node in; the answer is the state that it must adopt.
  caf::replies_to<join_atom, std::string, caf::strong_actor_ptr,
                  cluster_state>::with<cluster_state>>;

/// The NODE MANAGER interface, spoken between nodes.
using node_manager_actor = caf::typed_actor<
  // Meets another node; refuses one of another cluster or an unknown name.
  caf::replies_to<join_atom, node_greeting>::with<node_greeting>,
  // What another node is and has, whenever that changes.
  caf::reacts_to<snapshot_atom, node_snapshot>,
  // From the supervisor: carries out a command of this epoch on this node and tells who did.
  caf::replies_to<command_atom, uint64_t, cluster_command>::with<command_report>,
  // From a session or shell of this node: a command for the cluster; unavailable without a
  // supervisor.
  caf::replies_to<control_atom, cluster_command>::with<command_report>,
  // From a session of this node: a command for this node alone.
  caf::replies_to<run_atom, cluster_command>::with<command_report>,
  // Drains and stops the node within so many milliseconds; the program's main is told when it has.
  caf::reacts_to<drain_atom, uint32_t>,
  // INTERNAL: time to look after children, peers and the snapshot.
  caf::reacts_to<tick_atom>,
  // INTERNAL: time to start a child again, to connect to a node again.
  caf::reacts_to<restart_atom, std::string>, caf::reacts_to<dial_atom, std::string>>;

} // namespace luna
