#pragma once

#include "actors/pool/pool_actor.hpp"
#include "messages/actors.hpp"
#include "messages/model_task.hpp"

namespace luna::bench {

/// A pool that computes nothing: a task without tensors is answered with a picture of 12.6 MB, and
/// so is one with small ones; a task that brings a picture is answered without one.
pool_actor::behavior_type picture_pool(pool_actor::pointer self);

/// The picture: a tensor "images" [1, 1024, 1024, 3] of f32.
named_tensor make_picture();

} // namespace luna::bench
