#pragma once

#include <caf/typed_event_based_actor.hpp>

#include <functional>

#include "actors/cluster/keeper_actor.hpp"
#include "base/result.hpp"
#include "messages/actors.hpp"
#include "messages/cluster.hpp"

namespace luna {

/// Writes a state so that it survives a power cut.
using state_writer = std::function<result<void>(const cluster_state&)>;

/// Keeps the node's epoch and attention mode on disk. Spawn it detached: fsync blocks.
keeper_actor::behavior_type state_keeper(keeper_actor::pointer self, state_writer write);

} // namespace luna
