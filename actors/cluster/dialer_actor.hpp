#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/typed_actor.hpp>

#include "messages/actors.hpp"

namespace luna {

struct dial_order; // dialer.hpp

/// The DIALER interface. Detached: connecting blocks.
using dialer_actor = caf::typed_actor<
  // Connects to the node manager at an address; unavailable, with the reason.
  caf::replies_to<dial_atom, dial_order>::with<node_manager_actor>>;

} // namespace luna

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(luna::dial_order)
