#pragma once

#include <caf/typed_actor.hpp>

#include <cstdint>

#include "messages/cluster.hpp"
#include "messages/model_task.hpp"

namespace luna {

/// The MODEL POOL interface.
using pool_actor = caf::typed_actor<
  // Runs a task by its deadline, or says why not.
  caf::replies_to<run_atom, model_task>::with<model_result>,
  // Takes a task back: it answers `cancelled` at once, running work stops at the next layer or
  // tile.
  caf::reacts_to<cancel_atom, uint64_t>,
  // Cancels all tasks and tells how many.
  caf::replies_to<reset_atom>::with<uint64_t>,
  // Refuses new tasks from now on; answers when the accepted ones have ended.
  caf::replies_to<drain_atom>::with<bool>,
  // The stats.
  caf::replies_to<status_atom>::with<pool_row>>;

} // namespace luna
