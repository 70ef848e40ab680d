#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/typed_actor.hpp>

#include <cstdint>

#include "messages/type_ids.hpp"

namespace luna {

struct gateway_status; // gateway.hpp

/// The GATEWAY interface.
using gateway_actor = caf::typed_actor<
  // Takes no connections from now on and refuses new requests; answers when none is in flight.
  caf::replies_to<drain_atom>::with<bool>,
  // Cancels the requests of all connections and tells how many (save jobs go on).
  caf::replies_to<reset_atom>::with<uint64_t>,
  // The stats.
  caf::replies_to<status_atom>::with<gateway_status>>;

} // namespace luna

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(luna::gateway_status)
