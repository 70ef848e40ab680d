#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "actors/device/device_manager.hpp"

// The parts of device_manager, for its own files.

namespace luna::device_parts {

using self_pointer = device_manager_actor::stateful_pointer<device_manager_state>;

/// Does what the ledger says until it says nothing (device_manager.cpp).
void pump(self_pointer self);

// -- unloading (device_manager_unload.cpp) --------------------------------------------------------

/// Sends a model that the ledger has marked to the worker, and goes on when it is gone.
void tell_to_unload(self_pointer self, const std::string& key);

/// unload_models: all unleased models of these kinds and names.
caf::result<unload_report> unload(self_pointer self, const std::vector<model_kind>& kinds,
                                  const std::vector<std::string>& names);

/// Answers an unload that has waited long enough: it must not wait for a decode of minutes. What is
/// still loaded then is said to be kept, though it goes when its turn comes.
void stop_waiting(self_pointer self, uint64_t number);

/// The worker died: answers all unloads.
void unloads_died(self_pointer self);

} // namespace luna::device_parts
