#pragma once

#include "actors/gateway/connection.hpp"

// INTERNAL to the connection: how its bytes leave and how its time passes. See connection.hpp.

namespace luna::connection_flow {

int descriptor(connection_pointer self);

/// Sends from the tensors' own memory as long as the socket takes it.
/// @returns false if the connection is broken.
bool pump(connection_pointer self);

/// Sees to it that the clock is looked at while something must make progress.
void schedule_tick(connection_pointer self);

/// @returns false if the time of the connection is over.
bool look_at_clock(connection_pointer self);

} // namespace luna::connection_flow
