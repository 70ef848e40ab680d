#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/typed_actor.hpp>

#include <string>

#include "actors/catalog/catalog_actor.hpp"
#include "actors/cluster/route.hpp"
#include "actors/pool/pool_actor.hpp"
#include "actors/save/save_sink_actor.hpp"
#include "messages/node_view.hpp"

namespace luna {

struct cluster_view; // directory.hpp

/// The DIRECTORY interface: one a node, who serves what.
using directory_actor = caf::typed_actor<
  // Replaces a node's rows, if the version is newer.
  caf::reacts_to<snapshot_atom, node_snapshot>,
  // Forgets a node that went away.
  caf::reacts_to<drop_atom, std::string>,
  // Makes a pool of this node known under its name; null: it is gone.
  caf::reacts_to<register_atom, std::string, pool_actor>,
  // Makes the save queue of this node known; null: it is gone.
  caf::reacts_to<register_atom, save_sink_actor>,
  // Makes the catalog of this node known: it is asked once more before a name is unknown.
  caf::reacts_to<register_atom, catalog_actor>,
  // The best pool for a model: here first, else the shortest queue; unknown_model, unavailable.
  caf::replies_to<find_atom, model_kind, model_ref>::with<route>,
  // The node that saves; unavailable.
  caf::replies_to<find_atom>::with<route>,
  // All nodes and what they have.
  caf::replies_to<list_atom>::with<cluster_view>>;

} // namespace luna

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(luna::cluster_view)
