#pragma once

#include <caf/fwd.hpp>

#include <memory>
#include <mutex>

#include "actors/cluster/node_listener.hpp"
#include "messages/actors.hpp"
#include "nodes/wiring.hpp"

namespace luna {

/// Where the other nodes of the cluster come in: from the moment that the node has started until a
/// stop begins. Thread rule: any thread.
class node_door {
public:
  /// A single node lets nobody in. @returns `unavailable` if the port cannot be listened on.
  result<void> open(caf::actor_system& system, const node_wiring& wiring,
                    const node_manager_actor& manager);

  /// For good: it is not opened any more, either.
  void close();

private:
  std::mutex mutex_;
  std::unique_ptr<node_listener> listener_;
  bool closed_ = false;
};

} // namespace luna
