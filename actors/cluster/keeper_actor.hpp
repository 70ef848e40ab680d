#pragma once

#include <caf/typed_actor.hpp>

#include "messages/cluster.hpp"
#include "messages/type_ids.hpp"

namespace luna {

/// The STATE KEEPER interface. Detached: it writes files.
using keeper_actor = caf::typed_actor<
  // Makes the state durable.
  caf::replies_to<keep_atom, cluster_state>::with<bool>>;

} // namespace luna
