#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "models/weight_memory.hpp"
#include "models/weight_names.hpp"

/// Internal to models/: needs libtorch's headers.
namespace luna::models {

/// A part of a weight in oneDNN's layout, widened to fp32.
struct weight_window {
  at::Tensor packed; ///< what oneDNN multiplies with
  at::Tensor values; ///< the memory of it: [rows * columns] fp32
};

/// Where threads widen their parts of a model's weights, one window a thread and shape: all layers
/// share them.
class weight_windows {
public:
  /// @returns nullptr if oneDNN stores such a part with gaps. The address stays.
  const std::vector<weight_window>* of(int64_t rows, int64_t columns);

private:
  std::map<std::pair<int64_t, int64_t>, std::vector<weight_window>> windows_;
};

/// x W^T + b in fp32, with a weight that is kept 16 bits wide.
///
/// The problem: a weight that was rounded to fp16 needs two bytes, the product is fp32's. Widened
/// as a whole it would go through memory three times for each product.
/// On a CPU with oneDNN the weight is repacked once, at load, into the library's own layout and
/// kept in that layout as fp16. A product goes part by part: a thread widens a part into its window
/// and multiplies it while it is near; the next thread widens the next part meanwhile. The product
/// is the one of the repacked fp32 weight, bit for bit, in about the same time: what is widened is
/// also read as half of the bytes. Elsewhere, and for shapes that the layout would pad, the weight
/// is widened per call.
class packed_linear {
public:
  packed_linear() = default;

  /// @param sources layers of [N, K] weights and [N] biases that are stacked along N, each with an
  ///   equal share of `rows`. @pre the reader rounds to fp16.
  /// @param windows of the model; they outlive the layer.
  static result<packed_linear> load(const std::vector<linear_names>& sources, weight_reader& reader,
                                    weight_memory& memory, weight_windows& windows, int64_t rows,
                                    int64_t columns);

  /// @param x [T, K] fp32. @returns [T, N] fp32.
  at::Tensor operator()(const at::Tensor& x) const;

private:
  struct part {
    int64_t first = 0; ///< row
    int64_t rows = 0;
    at::Tensor weight; ///< [rows * K] fp16, in the window's layout
    const std::vector<weight_window>* windows = nullptr;
  };

  static std::vector<part> parts_of(weight_windows& windows, int64_t rows, int64_t columns);

  at::Tensor weight_; ///< [N, K] fp16, if there are no parts
  at::Tensor bias_;   ///< [N] fp32
  std::vector<part> parts_;
};

} // namespace luna::models
