#include "actors/cluster/state_keeper.hpp"

#include <caf/all.hpp>

#include <utility>

#include "actors/support/actor_defaults.hpp"
#include "messages/error.hpp"

namespace luna {

keeper_actor::behavior_type state_keeper(keeper_actor::pointer self, state_writer write) {
  set_actor_defaults(self);
  return {
    [write = std::move(write)](keep_atom, const cluster_state& x) -> caf::result<bool> {
      if (auto ok = write(x); !ok)
        return make_error(ok.error());
      return true;
    },
  };
}

} // namespace luna
