#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/typed_actor.hpp>

#include <cstdint>
#include <memory>

#include "messages/cluster.hpp"
#include "messages/model_task.hpp"

namespace luna::protocol {
struct request_received; // protocol/server_connection.hpp
} // namespace luna::protocol

namespace luna {

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

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<luna::protocol::request_received>)
