#pragma once

#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "base/tensor_shape.hpp"

namespace luna {

/// Whether these tensors fit into the body of one reply.
/// @param limit bytes; 0: none.
/// @returns `bad_request` that says how many images would fit, with `body_bytes` and
///   `max_body_bytes` in its details: clients split their batches by that.
result<void> check_reply_size(std::span<const tensor_shape> tensors, uint64_t limit);

} // namespace luna
