#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "base/attention_mode.hpp"

/// Internal to models/: needs libtorch's headers.
namespace luna::models {

/// softmax(q k^T / sqrt(E) + mask) v, computed as `mode` says.
///
/// A mode that a device lacks (see supports_attention) is computed as automatic: the answer is
/// right either way, within 1e-5 of fp64 for unit-normal fp32 input.
/// @param q [B, H, L, E]; k, v [B, H, S, E]; of one floating-point type, last dimension dense.
/// @param mask added to the scores, broadcast to [B, H, L, S]; of the type of q.
/// @param causal position i sees the positions up to i; not together with a mask.
/// @returns [B, H, L, E].
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal,
                     attention_mode mode, const std::optional<at::Tensor>& mask = std::nullopt);

} // namespace luna::models
