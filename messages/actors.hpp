#pragma once

#include <caf/typed_actor.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "messages/type_ids.hpp"

// The catalogue of all actor interfaces, a sentence for each handler. An interface that ends in
// _peer, and those of node_manager, supervisor, save_queue and event_hub, are spoken between nodes:
// all that they carry can be serialised. The others stay inside one process and may carry tensors
// and plain pointers.

namespace luna {

struct model_task;
struct model_result;
struct save_submission;
struct resolved_model; // actors/model_catalog.hpp
struct model_listing;  // actors/model_catalog.hpp
struct lease_request;  // actors/lease.hpp
struct lease_grant;    // actors/lease.hpp
struct work_order;     // actors/lease.hpp
struct work_report;    // actors/lease.hpp
struct route;          // actors/directory.hpp
struct cluster_view;   // actors/directory.hpp
struct dial_order;     // actors/dialer.hpp
struct gateway_status; // actors/gateway.hpp
struct client_answer;  // actors/session.hpp

namespace protocol {
struct request_received; // protocol/server_connection.hpp
} // namespace protocol

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

/// The MODEL CATALOG interface: what lies in the model folders. Detached: it reads files.
using catalog_actor = caf::typed_actor<
  // Finds the files that a name means and reads their headers; unknown_model, bad_model_file, ...
  caf::replies_to<resolve_atom, model_kind, model_ref>::with<std::shared_ptr<const resolved_model>>,
  // The JSON answer of model_info, with the hash of the files.
  caf::replies_to<info_atom, model_kind, model_ref>::with<std::string>,
  // All model files; looks into the folders again if the last look is older than a second.
  caf::replies_to<list_atom>::with<std::shared_ptr<const model_listing>>>;

/// The MODEL WORKER interface. Detached, one a device: the only place where libtorch runs.
using worker_actor = caf::typed_actor<
  // Loads the model if it is not there, runs the tasks as one batch and answers each.
  caf::replies_to<execute_atom, std::shared_ptr<work_order>>::with<std::shared_ptr<work_report>>,
  // Drops a model by its key and tells the bytes that came back, measured.
  caf::replies_to<unload_atom, std::string>::with<uint64_t>>;

/// The DEVICE MANAGER interface: the ledger of one device and the owner of its worker.
using device_actor = caf::typed_actor<
  // Grants a task's whole need, at once or when it fits; out_of_memory, timeout, unavailable.
  caf::replies_to<lease_atom, std::shared_ptr<lease_request>>::with<std::shared_ptr<lease_grant>>,
  // Ends a lease; tells the bytes of the model's weights as measured (0: it is not loaded).
  caf::reacts_to<release_atom, uint64_t, uint64_t>,
  // Takes a waiting lease request back.
  caf::reacts_to<cancel_atom, uint64_t>,
  // Unloads what matches the kinds and models (empty: all) and is not leased.
  caf::replies_to<unload_atom, std::vector<model_kind>,
                  std::vector<std::string>>::with<unload_report>,
  // Sets the attention mode for the next attention call; an error if the device lacks it.
  caf::replies_to<attention_atom, attention_mode>::with<bool>,
  // The ledger.
  caf::replies_to<status_atom>::with<device_row>>;

/// The MODEL POOL interface.
using pool_actor = caf::typed_actor<
  // Runs a task by its deadline, or says why not.
  caf::replies_to<run_atom, model_task>::with<model_result>,
  // Takes a task back: it answers `cancelled` at once, running work stops at the next layer or
  // tile.
  caf::reacts_to<cancel_atom, uint64_t>,
  // Cancels all tasks and tells how many.
  caf::replies_to<reset_atom>::with<uint64_t>,
  // Refuses new tasks from now on; answers when the accepted ones have ended.
  caf::replies_to<drain_atom>::with<bool>,
  // The figures.
  caf::replies_to<status_atom>::with<pool_row>>;

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
  // The queue's figures, as get_status shows them.
  caf::replies_to<status_atom>::with<std::string>,
  // What stands in a client's proof file: an output folder and the file's nonce. JSON.
  caf::replies_to<probe_atom, std::string, std::string>::with<std::string>>;

/// The SAVE SINK interface: what takes images on the saving node itself.
using save_sink_actor = save_queue_actor::extend<
  // Accepts a job; the JSON answer of submit_async comes when the job is durable.
  caf::replies_to<submit_atom, save_submission>::with<std::string>,
  // Refuses new jobs, finishes what is being written, answers when nothing is.
  caf::replies_to<drain_atom>::with<bool>,
  // Lets pictures go to one more folder of this machine. JSON.
  caf::replies_to<allow_atom, std::string>::with<std::string>>;

/// The EXCHANGE interface inside its node.
using exchange_actor = exchange_peer_actor::extend<
  // Runs a task on the pool of another node.
  caf::replies_to<run_atom, route, model_task>::with<model_result>,
  // Submits a save to another node.
  caf::replies_to<submit_atom, route, save_submission, uint32_t>::with<std::string>,
  // Makes a pool of this node known under its name; null: it is gone.
  caf::reacts_to<register_atom, std::string, pool_actor>,
  // Makes the save queue of this node known.
  caf::reacts_to<register_atom, save_sink_actor>,
  // Bytes in bodies and partial tensors of this node now.
  caf::replies_to<status_atom>::with<uint64_t>,
  // INTERNAL: a call's time is over.
  caf::reacts_to<expire_atom, uint64_t>>;

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

/// The DIRECTORY interface: one a node, who serves what.
using directory_actor = caf::typed_actor<
  // Replaces a node's rows, if the version is newer.
  caf::reacts_to<snapshot_atom, node_snapshot>,
  // Forgets a node that went away.
  caf::reacts_to<drop_atom, std::string>,
  // Makes a pool of this node known under its name; null: it is gone.
  caf::reacts_to<register_atom, std::string, pool_actor>,
  // Makes the save queue of this node known; null: it is gone.
  caf::reacts_to<register_atom, save_sink_actor>,
  // Makes the catalog of this node known: it is asked once more before a name is unknown.
  caf::reacts_to<register_atom, catalog_actor>,
  // The best pool for a model: here first, else the shortest queue; unknown_model, unavailable.
  caf::replies_to<find_atom, model_kind, model_ref>::with<route>,
  // The node that saves; unavailable.
  caf::replies_to<find_atom>::with<route>,
  // All nodes and what they have.
  caf::replies_to<list_atom>::with<cluster_view>>;

/// The DIALER interface. Detached: connecting blocks.
using dialer_actor = caf::typed_actor<
  // Connects to the node manager at an address; unavailable, with the reason.
  caf::replies_to<dial_atom, dial_order>::with<node_manager_actor>>;

/// The STATE KEEPER interface. Detached: it writes files.
using keeper_actor = caf::typed_actor<
  // Makes the state durable.
  caf::replies_to<keep_atom, cluster_state>::with<bool>>;

/// The GATEWAY interface.
using gateway_actor = caf::typed_actor<
  // Takes no connections from now on and refuses new requests; answers when none is in flight.
  caf::replies_to<drain_atom>::with<bool>,
  // Cancels the requests of all connections and tells how many (save jobs go on).
  caf::replies_to<reset_atom>::with<uint64_t>,
  // The figures.
  caf::replies_to<status_atom>::with<gateway_status>>;

/// The CONNECTION interface: the bytes of one client, on the I/O thread.
using connection_actor = caf::typed_actor<
  // Answers a request, with a reply or an error.
  caf::reacts_to<answer_atom, client_answer>,
  // Sends an event of a request, or (id 0) of the connection; the text is the frame's header.
  caf::reacts_to<publish_atom, uint64_t, std::string>,
  // A large header turned out to be none: tells the error and closes.
  caf::reacts_to<drop_atom, client_answer>>;

/// The SESSION interface: the requests of one client. It is a progress and an event listener, too.
using session_actor = caf::typed_actor<
  // Runs a request and answers its connection exactly once.
  caf::reacts_to<run_atom, std::shared_ptr<protocol::request_received>>,
  // The client no longer wants a request.
  caf::reacts_to<cancel_atom, uint64_t>,
  // The client is gone: cancels everything and ends.
  caf::reacts_to<drop_atom>,
  // Cancels what can be cancelled and tells how many requests (save jobs go on).
  caf::replies_to<reset_atom>::with<uint64_t>,
  // The node stops: requests that only wait are answered now.
  caf::reacts_to<drain_atom>,
  // INTERNAL: time to look for another pool for a request.
  caf::reacts_to<retry_atom, uint64_t>,
  // How far a task of this session is.
  caf::reacts_to<progress_atom, task_progress>,
  // An event that this session subscribed.
  caf::reacts_to<publish_atom, event>>;

} // namespace luna

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(luna::model_task)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(luna::model_result)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(luna::save_submission)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(luna::route)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(luna::cluster_view)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(luna::dial_order)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(luna::gateway_status)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(luna::client_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<luna::protocol::request_received>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<const luna::resolved_model>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<const luna::model_listing>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<luna::lease_request>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<luna::lease_grant>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<luna::work_order>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<luna::work_report>)
