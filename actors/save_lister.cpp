#include "actors/save_lister.hpp"

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <utility>

#include "actors/actor_defaults.hpp"

namespace luna {

namespace {

using self_pointer = save_lister_actor::stateful_pointer<save_lister_state>;

/// How long a target that did not answer is left in peace.
constexpr std::chrono::seconds silence{10};

/// @returns false if the target did not answer; then the job's names are made without it.
bool look(storage::remote_target& target, storage::new_job& job) {
  for (auto& image : job.images) {
    auto& wanted = image.name;
    auto is_free = wanted.collision == storage::collision_rule::overwrite && !wanted.counter;
    if (is_free)
      continue;
    auto names = target.names(wanted.subfolder, wanted.stem);
    if (!names) {
      spdlog::warn("{} does not say which names it has, the job's names get its id: {}",
                   target.root(), names.error().message);
      job.names_there.clear();
      return false;
    }
    auto& there = job.names_there[wanted.subfolder];
    there.insert(there.end(), names->begin(), names->end());
  }
  return true;
}

} // namespace

save_lister_actor::behavior_type save_lister(self_pointer self, save_store_actor store,
                                             std::shared_ptr<storage::remote_target> target) {
  set_actor_defaults(self);
  self->state.store = std::move(store);
  self->state.target = std::move(target);
  return {
    [self](submit_atom, std::shared_ptr<storage::new_job>& job) {
      auto& state = self->state;
      auto now = self->clock().now();
      if (!state.silent_until || now >= *state.silent_until) {
        state.silent_until.reset();
        if (!look(*state.target, *job))
          state.silent_until = self->clock().now() + silence;
      }
      return self->delegate(state.store, resolve_atom_v, std::move(job));
    },
  };
}

} // namespace luna
