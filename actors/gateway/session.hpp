#pragma once

#include <caf/typed_event_based_actor.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/cluster/directory.hpp"
#include "actors/cluster/directory_actor.hpp"
#include "actors/gateway/connection_actor.hpp"
#include "actors/gateway/job_waiter.hpp"
#include "actors/gateway/session_actor.hpp"
#include "actors/transport/exchange_actor.hpp"
#include "base/byte_budget.hpp"
#include "base/result.hpp"
#include "base/tensor_block.hpp"
#include "messages/actors.hpp"
#include "messages/model_task.hpp"
#include "protocol/frame.hpp"
#include "protocol/header_json.hpp"
#include "protocol/server_connection.hpp"

namespace luna {

/// The answer to one request of a client: a reply, or an error if there is a problem.
struct client_answer {
  uint64_t id = 0;
  std::string header; ///< of a reply: a JSON object
  std::vector<named_tensor> tensors;
  std::optional<failure> problem;
};

/// What a gateway counts. Read and written by many threads.
struct gateway_counters {
  std::atomic<uint64_t> requests{0};      ///< all but ping, get_info and get_status
  std::atomic<uint64_t> clip_requests{0}; ///< of them, for text encoders
  std::atomic<uint64_t> vae_requests{0};  ///< of them, for VAEs
  std::atomic<uint32_t> connections{0};   ///< clients that have said hello
  std::atomic<uint32_t> handshakes{0};    ///< peers that have not
  std::atomic<bool> draining{false};      ///< new requests are refused
};

/// What all sessions of a gateway work with.
struct session_context {
  std::string version = "0.1.0";
  std::string node;
  std::string cluster;
  directory_actor directory;
  exchange_actor exchange;
  event_hub_actor events;
  node_manager_actor node_manager; ///< null: cluster commands are `unavailable`

  /// Of the program that started this node: who has it may add output folders. Empty: nobody may.
  std::string starter_token;

  /// Commands that the configuration forbids, without aliases.
  std::set<std::string, std::less<>> forbidden;

  protocol::frame_limits limits;
  std::shared_ptr<gateway_counters> counters = std::make_shared<gateway_counters>();
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();

  /// What a client can dial, "127.0.0.1:19283" and so on. Filled in by the gateway.
  std::vector<std::string> gateways;
};

/// One request between its arrival and its answer.
struct active_request {
  using time_point = std::chrono::steady_clock::time_point;

  uint64_t id = 0; ///< the client's
  std::string cmd; ///< without aliases
  std::shared_ptr<protocol::request_received> in;
  time_point deadline{};
  bool wants_progress = false;
  std::optional<time_point> last_progress; ///< when an event was sent

  /// Whether it may be given up. An effect that is on its way is not: the client must hear of it.
  bool can_cancel = true;

  /// Of a request to a model: what is asked, and where it runs.
  std::shared_ptr<const model_task> task;
  route where;
  bool running = false;

  job_waiter_actor waiter; ///< of a job_wait

  std::optional<failure> first_failure; ///< why the first pool did not answer

  /// Adds to the answer's header what this command tells beside tensors and warnings; may be empty.
  std::function<void(const task_answer&, protocol::json&)> render;
};

/// The requests of one client.
///
/// The problem: a client has dozens of requests in flight, to pools here and elsewhere, may cancel
/// any of them, may vanish, and must get exactly one answer to each that it waits for, by its
/// deadline.
///
/// Contract: fields are checked strictly before anything is asked of anybody. Every request is
/// answered exactly once; everything asked of other actors has a finite timeout (the request's
/// deadline, and 2 s of grace where the other side answers `timeout` itself). When a pool goes away
/// in the middle, the request runs once more elsewhere if there is another pool that has the model
/// and time for it. Cancelled requests are answered at once and their work is taken back; so is all
/// work of a client that disconnects. Progress is told at most ten times a second.
/// Thread rule: scheduled, never blocks.
struct session_state {
  static inline const char* name = "session";

  std::shared_ptr<const session_context> context;
  connection_actor connection;
  bool from_this_machine = false; ///< the client's address is a loopback one
  uint64_t client = 0;            ///< task_header::client of its requests: no other session's

  /// By task id, which is also what pools know a request by. The client's own ids come back.
  std::unordered_map<uint64_t, active_request> requests;
  std::unordered_map<uint64_t, uint64_t> task_of; ///< client's id -> task id

  bool subscribed = false;
};

/// Runs the session of a connection, which must tell it when the client is gone.
session_actor::behavior_type session(session_actor::stateful_pointer<session_state> self,
                                     std::shared_ptr<const session_context> context,
                                     connection_actor connection, bool from_this_machine);

} // namespace luna
