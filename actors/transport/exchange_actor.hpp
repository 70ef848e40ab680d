#pragma once

#include <caf/typed_actor.hpp>

#include <cstdint>
#include <string>

#include "actors/cluster/route.hpp"
#include "actors/pool/pool_actor.hpp"
#include "actors/save/save_sink_actor.hpp"
#include "messages/actors.hpp"

namespace luna {

/// The EXCHANGE interface inside its node.
using exchange_actor = exchange_peer_actor::extend<
  // Runs a task on the pool of another node.
  caf::replies_to<run_atom, route, model_task>::with<model_result>,
  // Submits a save to another node.
  caf::replies_to<submit_atom, route, save_submission, uint32_t>::with<std::string>,
  // Makes a pool of this node known under its name; null: it is gone.
  caf::reacts_to<register_atom, std::string, pool_actor>,
  // Makes the save queue of this node known.
  caf::reacts_to<register_atom, save_sink_actor>,
  // INTERNAL: a call's time is over.
  caf::reacts_to<expire_atom, uint64_t>>;

} // namespace luna
