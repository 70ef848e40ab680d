#pragma once

#include <caf/fwd.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/cluster/node_link.hpp"
#include "base/result.hpp"
#include "messages/actors.hpp"

namespace luna {

/// Where a node lets the others in.
struct listener_options {
  std::string host;
  uint16_t port = 0;                          ///< 0: any
  std::shared_ptr<tls::identity_source> tls;  ///< null: plain
  std::vector<std::string> nodes;             ///< whom to let in, by the names in certificates
  std::chrono::milliseconds handshake{10000}; ///< how long a handshake may take
  size_t max_handshakes = 64;                 ///< of peers that have proved nothing yet

  /// Takes a link that is ready. Called on the listener's thread.
  std::function<void(node_link)> on_link;

  /// Told of each peer that was not let in: its address without the port, and why. Called on the
  /// listener's thread, or on CAF's I/O thread.
  std::function<void(const std::string& address, const std::string& problem)> on_refusal;
};

/// Accepts connections of other nodes and takes them through the TLS handshake.
///
/// The problem: whoever reaches the port may connect, send anything, or nothing. CAF's I/O thread
/// carries all links of the node and must neither compute a stranger's handshake nor keep its
/// socket.
///
/// Contract: a thread of its own does both; only who has proved to be a node of the configuration
/// becomes a link. A handshake that takes too long ends; when `max_handshakes` are on their way the
/// oldest ends, so that silent strangers keep nobody out. A refused peer gets its TLS alert before
/// the connection closes. Peers that connect and leave without a byte are not told of. Thread rule:
/// close and the destructor from any thread; both wait for the thread.
class node_listener {
public:
  /// @returns `unavailable` with the reason if the address cannot be listened on.
  static result<std::unique_ptr<node_listener>> start(listener_options options);

  node_listener(const node_listener&) = delete;
  node_listener& operator=(const node_listener&) = delete;
  virtual ~node_listener() = default;

  /// As bound.
  virtual uint16_t port() const = 0;

  /// Stops listening; links that were handed over live on. Idempotent.
  virtual void close() = 0;

protected:
  node_listener() = default;
};

/// An `on_link` that hands links to CAF, which then lets the other side talk to `manager`.
std::function<void(node_link)> publish_to(caf::actor_system& system,
                                          const node_manager_actor& manager);

} // namespace luna
