#pragma once

#include <cstdint>

#include "base/tensor_block.hpp"

namespace luna::imaging {

/// Whether a picture is worth keeping, as the Luna Multi Saver judges it: pictures without contrast
/// or without edges (blank, failed, all blurred) are put aside.
///
/// Scales: luma Y = 0.299 R + 0.587 G + 0.114 B. `variance`: the population variance of Y on
/// 0..255, 3000 and more score 1. `edge_density`: the mean of |dY/dx| and |dY/dy| between
/// neighbours with Y on 0..1, 0.05 and more score 1.
///
/// Thread rule: free functions without state, any thread.

enum class quality_gate : uint8_t { disabled, variance, edge_density, both };

struct gate_verdict {
  bool passes = true;
  double score = 1; ///< 0..1; of `both` the mean
};

/// Judges one picture. @param image u8 [H, W, C], C = 1 (its own luma), 3 or 4 (alpha does not
/// count). @param threshold 0..1; `both` wants each score to reach it.
gate_verdict judge(const tensor_block& image, quality_gate gate, double threshold);

} // namespace luna::imaging
