#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

#include "models/weight_memory.hpp"

/// Internal to models/: needs libtorch's headers.
namespace luna::models {

/// A 2-D convolution with the weight in the layout that the device likes best: on a CPU with oneDNN
/// it is repacked once, at load, and only the packed copy is kept.
class convolution {
public:
  struct options {
    int64_t stride = 1;
    int64_t padding = -1; ///< zeros on all four sides; -1: half of the kernel, which keeps the size
  };

  convolution() = default;

  /// @param name of "<name>.weight" [N, K, s, s] and, if it is there, "<name>.bias".
  static result<convolution> load(const std::string& name, weight_reader& reader,
                                  weight_memory& memory, at::IntArrayRef shape,
                                  at::ScalarType type) {
    return load(name, reader, memory, shape, type, options{});
  }
  static result<convolution> load(const std::string& name, weight_reader& reader,
                                  weight_memory& memory, at::IntArrayRef shape, at::ScalarType type,
                                  options how);

  /// From a weight [N, K, s, s] fp32 in the memory of the CPU and a bias where the model computes.
  static convolution make(const at::Tensor& weight, std::optional<at::Tensor> bias,
                          weight_memory& memory, at::ScalarType type, options how);

  /// Channels of the result.
  int64_t channels() const { return channels_; }

  /// @param x [B, K, H, W], channels last on the CPU.
  /// @param relu applied to the result in the same pass where the device can.
  at::Tensor operator()(const at::Tensor& x, bool relu = false) const;

  /// Of a strip that brings its rows of padding along: pads only left and right.
  at::Tensor within(const at::Tensor& x) const;

  /// The same, added to `sum` in place.
  void add_within(at::Tensor& sum, const at::Tensor& x) const;

private:
  at::Tensor run(const at::Tensor& x, at::IntArrayRef padding, bool relu) const;

  at::Tensor weight_;
  std::optional<at::Tensor> bias_;
  int64_t channels_ = 0;
  options how_;
  bool packed_ = false;
};

} // namespace luna::models
