#pragma once

#include <caf/fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "actors/gateway/gateway_actor.hpp"
#include "actors/gateway/session.hpp"
#include "base/byte_budget.hpp"
#include "base/result.hpp"
#include "messages/actors.hpp"

namespace luna {

/// The stats of a gateway.
struct gateway_status {
  uint32_t connections = 0; ///< clients that have said hello
  uint32_t handshakes = 0;  ///< peers that have not
  uint64_t request_count = 0;
  uint64_t clip_request_count = 0;
  uint64_t vae_request_count = 0;
};

/// Where a gateway listens and what it allows.
struct gateway_options {
  std::string host = "127.0.0.1"; ///< a name (all its addresses) or an address, IPv4 or IPv6
  uint16_t port = 0;              ///< 0: any
  uint32_t connections = 256;     ///< clients at a time
  uint32_t handshakes = 64;       ///< peers at a time that have not said hello
  uint32_t in_flight = 64;        ///< requests of one connection
  std::optional<std::string> secret;
  std::vector<std::string> forbidden_commands; ///< names or aliases
  std::shared_ptr<byte_budget> buffers;        ///< of all bodies of the node

  /// How long a peer may take to say hello, and a frame or a write to make progress.
  std::chrono::milliseconds hello_time = protocol::server_connection::hello_time;
  std::chrono::milliseconds progress_time = protocol::server_connection::progress_time;

  /// What the sessions work with. `forbidden` is filled in from forbidden_commands.
  session_context context;
};

/// A gateway that runs.
struct gateway_handles {
  gateway_actor gateway;
  uint16_t port = 0;                  ///< as bound, of all addresses
  std::vector<std::string> addresses; ///< that a client can dial, "127.0.0.1:19283" and so on
};

/// Listens for clients.
///
/// The problem: anybody who reaches the port may connect, send anything, read nothing, and vanish;
/// others must not notice. So each client has a broker of its own that does nothing but move bytes
/// (actors/gateway/connection.hpp) and a session that does the rest (actors/gateway/session.hpp).
///
/// Contract: at most `connections` clients, and of peers without a hello as many as the guard says
/// (actors/gateway/handshake_guard.hpp); one more is told `overloaded` and closed. `drain` stops
/// listening, refuses new requests with `shutting_down` and answers when the last answer has left.
/// Ends with all its connections on exit. Thread rule: brokers run on CAF's I/O thread and never
/// compute; sessions are scheduled.
///
/// @pre the middleman is loaded.
/// @returns `not_permitted` for an address off loopback without a secret; `unavailable` with the
/// reason if the address cannot be listened on.
result<gateway_handles> start_gateway(caf::actor_system& system, gateway_options options);

} // namespace luna
