#pragma once

#include <caf/typed_event_based_actor.hpp>

#include <memory>
#include <optional>

#include "actors/save/save_parts.hpp"
#include "storage/target.hpp"

namespace luna {

/// Looks which names stand at one remote target before a job for it is accepted.
///
/// The problem: names are told with the acknowledgement, and a target may take seconds to say which
/// are taken, or never say it. The store must not wait for that: other jobs do not go there.
///
/// Contract: every job is handed to the store, with what could be found out. After a target did not
/// answer it is not asked for a while: a job must not wait for it either. Thread rule: detached,
/// one for each remote target, private to the store.
struct save_lister_state {
  static inline const char* name = "save_lister";

  std::shared_ptr<storage::remote_target> target;
  save_store_actor store; ///< not the first member: CAF would take the state as made from its actor
  std::optional<caf::actor_clock::time_point> silent_until;
};

/// Runs a lister.
save_lister_actor::behavior_type
save_lister(save_lister_actor::stateful_pointer<save_lister_state> self, save_store_actor store,
            std::shared_ptr<storage::remote_target> target);

} // namespace luna
