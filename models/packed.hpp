#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "models/weight_memory.hpp"
#include "models/weight_names.hpp"

/// Internal to models/: needs libtorch's headers.
namespace luna::models {

/// x W^T + b with the weight in the layout that the device likes best.
///
/// On a CPU with oneDNN the fp32 weight is repacked once, at load (a third faster for one prompt),
/// and only the packed copy is kept. On a GPU the weight stays 16 bits wide and is widened per
/// call.
class packed_linear {
public:
  packed_linear() = default;

  /// @param sources layers of [N, K] weights and [N] biases that are stacked along N, each with an
  ///   equal share of `rows`.
  static result<packed_linear> load(const std::vector<linear_names>& sources, weight_reader& reader,
                                    weight_memory& memory, int64_t rows, int64_t columns);

  /// @param x [T, K] fp32. @returns [T, N] fp32.
  at::Tensor operator()(const at::Tensor& x) const;

private:
  at::Tensor weight_;
  at::Tensor bias_;
  bool packed_ = false;
};

} // namespace luna::models
