#pragma once

#include <caf/allowed_unsafe_message_type.hpp>

#include <string>

#include "actors/pool/pool_actor.hpp"
#include "actors/save/save_sink_actor.hpp"
#include "messages/actors.hpp"

namespace luna {

/// Where a request goes.
struct route {
  std::string node;
  std::string pool;          ///< name of the pool; empty for saves
  bool local = false;        ///< true: `here` or `save_here`; false: by the exchange to `there`
  pool_actor here;           ///< of a model, if local
  save_sink_actor save_here; ///< of a save, if local
  exchange_peer_actor there; ///< the exchange of the other node
  save_queue_actor saves;    ///< the save queue, wherever it is
};

} // namespace luna

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(luna::route)
