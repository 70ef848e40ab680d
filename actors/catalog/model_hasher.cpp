#include "actors/catalog/model_hasher.hpp"

#include <caf/all.hpp>

#include "actors/support/actor_defaults.hpp"
#include "messages/error.hpp"

namespace luna {

hasher_actor::behavior_type model_hasher(hasher_actor::pointer self) {
  set_actor_defaults(self);
  return {
    [](info_atom, const std::shared_ptr<const hash_order>& order) -> caf::result<std::string> {
      auto hash = models::hash_model(order->files, order->stop);
      if (!hash)
        return make_error(hash.error());
      return std::move(*hash);
    },
  };
}

} // namespace luna
