#pragma once

#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "actors/cluster/dialer_actor.hpp"
#include "base/result.hpp"
#include "messages/actors.hpp"
#include "tls/tls_identity.hpp"

namespace luna {

/// Where another node's manager can be reached.
struct dial_order {
  std::string node; ///< whose certificate the other side must show, if there is TLS
  std::string host;
  uint16_t port = 0;
};

/// Opens a TCP connection to a name or an address. Blocks.
/// @returns the descriptor, non-blocking, the caller's; or `unavailable` with the reason, also when
/// `patience` is over for each address.
result<int> connect_tcp(const std::string& host, uint16_t port, std::chrono::milliseconds patience);

/// Runs a dialer. Spawn it detached: it blocks while it connects and shakes hands.
///
/// The problem: CAF connects in its one middleman actor, and an address that answers nothing would
/// block it, and with it every other connection of the node, for minutes. So a dialer makes the
/// connection by itself, TLS included, and hands CAF one that is ready.
/// @param tls null: plain.
dialer_actor::behavior_type dialer(dialer_actor::pointer self,
                                   const std::shared_ptr<tls::identity_source>& tls);

} // namespace luna
