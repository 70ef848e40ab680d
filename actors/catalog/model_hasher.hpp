#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "messages/actors.hpp"
#include "models/weights/inspect.hpp"

namespace luna {

/// Files to hash, and a way to stop.
struct hash_order {
  std::vector<models::model_file> files;
  std::stop_token stop;
};

/// The MODEL HASHER interface, private to a catalog.
using hasher_actor = caf::typed_actor<
  // "sha256:<64 hex>" of the files; reads every byte.
  caf::replies_to<info_atom, std::shared_ptr<const hash_order>>::with<std::string>>;

/// Runs a hasher. Detached: gigabytes take long.
hasher_actor::behavior_type model_hasher(hasher_actor::pointer self);

} // namespace luna

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<const luna::hash_order>)
