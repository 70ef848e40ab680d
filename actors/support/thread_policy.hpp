#pragma once

#include <caf/spawn_options.hpp>

#include <utility>

namespace luna {

/// Whether a private helper gets a thread of its own. Everything that blocks does; deterministic
/// tests, which run all actors on one thread, say `scheduled`.
enum class thread_policy { detached, scheduled };

/// Spawns with that policy. @param spawner an actor or the actor system.
template <class Spawner, class Function, class... Arguments>
auto spawn_with(Spawner& spawner, thread_policy policy, Function function,
                Arguments&&... arguments) {
  if (policy == thread_policy::detached)
    return spawner.template spawn<caf::detached>(function, std::forward<Arguments>(arguments)...);
  return spawner.spawn(function, std::forward<Arguments>(arguments)...);
}

} // namespace luna
