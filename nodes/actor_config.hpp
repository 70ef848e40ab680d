#pragma once

#include <caf/actor_system_config.hpp>

#include "base/result.hpp"
#include "nodes/command_line.hpp"

namespace luna {

/// CAF as luna runs it. Build it once, before the actor_system; the constructor also gives this
/// process a node id of its own (two containers with the same process id and address would share
/// one).
class actor_config : public caf::actor_system_config {
public:
  explicit actor_config(const effective_configuration& configuration);
};

} // namespace luna
