#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "models/weights/weight_memory.hpp"
#include "models/weights/weight_names.hpp"

/// Internal to models/: needs libtorch's headers.
namespace luna::models {

/// x W^T + b in fp32, with a weight that is kept as fp16.
///
/// The problem: a weight that was rounded to fp16 needs two bytes, not four, but widened as a whole
/// before each product it goes through memory three times.
/// On a CPU the weight lies in the layout of FBGEMM (a part of libtorch), which widens it in the
/// registers that it multiplies from: half of the bytes, and a fifth less time than oneDNN takes
/// for the repacked fp32 weight. Elsewhere, and for shapes that do not fill FBGEMM's blocks, it is
/// widened per call.
class packed_linear {
public:
  packed_linear() = default;

  /// @param sources layers of [N, K] weights and [N] biases that are stacked along N, each with an
  ///   equal share of `rows`. @pre the reader rounds to fp16.
  static result<packed_linear> load(const std::vector<linear_names>& sources, weight_reader& reader,
                                    weight_memory& memory, int64_t rows, int64_t columns);

  /// @param x [T, K] fp32. @returns [T, N] fp32, the same for any number of threads.
  at::Tensor operator()(const at::Tensor& x) const;

private:
  at::Tensor multiply(const at::Tensor& x) const;

  at::Tensor weight_; ///< fp16: [N / block, K, block] in FBGEMM's layout, [N, K] otherwise
  at::Tensor bias_;   ///< [N] fp32
};

} // namespace luna::models
