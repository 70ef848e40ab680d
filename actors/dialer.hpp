#pragma once

#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <cstdint>
#include <string>

#include "messages/actors.hpp"
#include "messages/result.hpp"

namespace luna {

/// Where another node's manager can be reached.
struct dial_order {
  std::string node; ///< for messages
  std::string host;
  uint16_t port = 0;
  bool tls = false;
};

/// Tries to open a TCP connection and closes it again.
///
/// CAF connects in its one middleman actor, and an address that answers nothing would block it, and
/// with it every other connection of the node, for minutes. So each address is tried here first.
/// @returns `unavailable` with the reason, also when `patience` is over.
result<void> probe(const std::string& host, uint16_t port, std::chrono::milliseconds patience);

/// Runs a dialer. Spawn it detached: it blocks while it connects.
dialer_actor::behavior_type dialer(dialer_actor::pointer self);

} // namespace luna
