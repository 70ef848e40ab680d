#pragma once

#include <caf/execution_unit.hpp>
#include <caf/io/broker.hpp>

#include <utility>

namespace luna {

/// A broker that closes its mailbox when it ends, as every other actor does.
///
/// The problem: CAF 0.17 leaves the mailbox of a broker open (abstract_broker::cleanup passes over
/// scheduled_actor::cleanup). Whatever comes later stays in it, and a message that holds the
/// broker, such as its own timer, keeps the broker and its mailbox for ever: 2 to 3.5 KB for each
/// connection that anybody opens and closes.
///
/// Contract: after the end nothing is kept; a request that comes later is answered with an error.
class closing_broker : public caf::io::broker {
public:
  using caf::io::broker::broker;

  bool cleanup(caf::error&& reason, caf::execution_unit* host) override {
    close_all();
    return caf::scheduled_actor::cleanup(std::move(reason), host);
  }
};

} // namespace luna
