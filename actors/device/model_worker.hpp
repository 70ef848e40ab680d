#pragma once

#include <caf/typed_event_based_actor.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "actors/device/lease.hpp"
#include "actors/device/worker_actor.hpp"
#include "messages/actors.hpp"
#include "models/loaded_model.hpp"

namespace luna {

struct worker_options {
  std::string device = "cpu";
  uint32_t threads = 0; ///< cores of one operation; 0: all
};

/// Where models live and compute: the only actor in whose thread libtorch runs.
///
/// The problem: a load or a decode takes seconds, cannot be interrupted from outside, and throws
/// whatever libtorch throws.
///
/// Contract: `execute` loads the model if it is not there, runs the order's items as one batch and
/// answers each, in order; nothing that a library throws leaves it. An item whose stop token is set
/// answers `cancelled`, and work in progress stops between layers or tiles once all its items are
/// stopped. A failed load leaves nothing. `unload` tells the bytes that came back, measured.
/// Progress goes to the items' listeners, at most ten times a second.
/// Thread rule: detached, one a device, private to its device_manager.
struct model_worker_state {
  static inline const char* name = "model_worker";

  worker_options options;
  std::map<std::string, std::unique_ptr<models::loaded_model>> loaded; ///< by key
};

/// Runs a worker.
worker_actor::behavior_type model_worker(worker_actor::stateful_pointer<model_worker_state> self,
                                         worker_options options);

} // namespace luna
