#pragma once

#include <caf/io/connection_handle.hpp>
#include <caf/stateful_actor.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/gateway/handshake_guard.hpp"
#include "actors/gateway/session.hpp"
#include "actors/gateway/session_actor.hpp"
#include "actors/support/closing_broker.hpp"
#include "messages/actors.hpp"
#include "protocol/server_connection.hpp"

namespace luna {

/// What a gateway and its connections share. All of them run on the I/O thread.
struct gateway_core {
  std::shared_ptr<const protocol::server_config> protocol;
  std::shared_ptr<const session_context> context;
  uint32_t max_connections = 256;
  std::optional<handshake_guard> guard; ///< set before the first connection
  std::chrono::milliseconds hello_time{};
  std::chrono::milliseconds progress_time{};

  caf::actor_addr gateway;
  uint32_t busy = 0; ///< connections that wait for an answer or for answers to leave
};

/// A counter of bytes, and when it last moved.
struct progress_watch {
  uint64_t bytes = 0;
  std::chrono::steady_clock::time_point since{};

  /// How long `now_bytes` has not moved.
  std::chrono::steady_clock::duration stalled(uint64_t now_bytes,
                                              std::chrono::steady_clock::time_point now) {
    if (bytes != now_bytes) {
      bytes = now_bytes;
      since = now;
    }
    return now - since;
  }
};

/// The bytes of one client.
///
/// The problem: one thread moves the bytes of all clients, and of all nodes. A picture of 12 MB
/// must pass without copies and without keeping others waiting; a client that sends garbage, or
/// reads nothing, or never says a word, must cost little and be gone in time.
///
/// Contract: protocol::server_connection decides what the bytes mean; complete requests go to the
/// session, which lives from the hello to the end of the connection; a small ping is answered here.
/// Answers leave straight from the tensors' memory as long as the socket takes them; when it is
/// full, CAF holds one piece of at most 64 KiB and tells when that has left. Reading stops while
/// the protocol wants no input. A connection ends by an error frame, the end of the stream, and a
/// while in which what still comes is dropped, so that the client can read the error.
/// Thread rule: CAF's I/O thread; never computes, never blocks.
struct connection_state {
  static inline const char* name = "connection";

  /// The session, the gateway and the stats hear that the connection is no more.
  ~connection_state();

  std::shared_ptr<gateway_core> core;
  caf::io::connection_handle handle;
  std::string address; ///< of the client
  std::optional<protocol::server_connection> protocol;
  session_actor session; ///< from the hello on

  bool judged = false;              ///< its hello may be read, or has been
  std::vector<std::byte> held_back; ///< what came before that

  bool welcome = false;  ///< counts as a connection; before, as a handshake
  bool busy = false;     ///< counts as busy
  bool halted = false;   ///< nothing is read
  bool resumed = false;  ///< since the last tick
  bool ending = false;   ///< closed by us: what has to be said still leaves
  bool said_end = false; ///< and has left
  uint64_t waiting = 0;  ///< requests without an answer
  size_t handed = 0;     ///< bytes of the output that CAF holds

  bool tick_is_due = false;
  bool watched = false; ///< something is under way that must make progress
  std::chrono::steady_clock::time_point opened{};
  std::chrono::steady_clock::time_point ended{}; ///< when the end was said
  progress_watch received;
  progress_watch sent;
};

using connection_pointer = caf::stateful_actor<connection_state, closing_broker>*;

/// Runs a connection. Beside the CONNECTION interface it takes from its gateway: drain (to its
/// session), reset (answered by its session), exit.
/// @param address of the client, as peer_address gives it; counted by the core's guard.
caf::behavior connection(connection_pointer self, caf::io::connection_handle handle,
                         std::shared_ptr<gateway_core> core, const std::string& address);

} // namespace luna
