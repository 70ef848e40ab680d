#pragma once

#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "actors/cluster/directory.hpp"
#include "actors/pool/pool_actor.hpp"
#include "actors/save/save_sink_actor.hpp"
#include "actors/support/wake_up.hpp"
#include "actors/transport/exchange_actor.hpp"
#include "actors/transport/tensor_assembly.hpp"
#include "base/byte_budget.hpp"
#include "messages/actors.hpp"
#include "messages/node_view.hpp"

namespace luna {

/// A request of this node on its way to another.
struct outgoing_call {
  exchange_peer_actor peer;
  chunk_cursor arguments;
  chunk_grant grant; ///< what may still leave
  progress_actor listener;
  bool save = false;
  caf::typed_response_promise<model_result> result;
  caf::typed_response_promise<std::string> saved;
  bool answered = false; ///< the answer is here, its tensors are on their way
  call_answer answer;
  tensor_assembly reply;
  uint32_t since_grant = 0;       ///< chunks that came since the last grant
  wake_up::time_point deadline{}; ///< with the grace
};

/// A request of another node that runs here.
struct incoming_call {
  call_offer offer;
  tensor_assembly arguments;
  uint32_t since_grant = 0;
  uint64_t task = 0; ///< the id under which the pool knows it; 0: not running
  bool answered = false;
  chunk_cursor reply;
  chunk_grant grant;
  wake_up::time_point deadline{}; ///< with the grace
};

/// Calls between nodes, with their tensors.
///
/// The problem: a pool on another node must look like a pool here, although a picture of 12 MB
/// neither fits one message (it stalls everything else and breaks heartbeats) nor may pile up in a
/// connection without back-pressure. So the exchanges of two nodes speak: an offer with the shapes,
/// chunks of at most 512 KiB under a window of credit, the answer, its chunks the same way.
///
/// Contract: every call ends exactly once, at the latest a second after its deadline; when the peer
/// goes away it ends with `unavailable` at once. Memory of partial tensors counts against the
/// node's buffer budget and is freed on the end, the deadline, a cancel and the peer's death.
struct exchange_state {
  static inline const char* name = "exchange";

  std::shared_ptr<byte_budget> buffers;
  std::map<uint64_t, outgoing_call> outgoing;
  std::map<std::pair<caf::actor_addr, uint64_t>, incoming_call> incoming;
  std::map<uint64_t, std::pair<caf::actor_addr, uint64_t>> tasks; ///< running here -> incoming
  std::map<caf::actor_addr, exchange_peer_actor> peers;           ///< monitored
  std::map<std::string, pool_actor> pools;
  save_sink_actor saves;
  wake_up wake; ///< for the deadlines of all calls
};

/// Runs the exchange of a node.
/// @param buffers the node's budget for bodies and transfers.
exchange_actor::behavior_type exchange(exchange_actor::stateful_pointer<exchange_state> self,
                                       std::shared_ptr<byte_budget> buffers);

} // namespace luna
