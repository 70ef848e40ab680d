#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "models/weights/weight_memory.hpp"

/// Internal to models/: needs libtorch's headers.
namespace luna::models {

/// A 2-D convolution. On a CPU its weight is channels last, as planes are, and stays fp16 if that
/// holds all of its values: it is widened for each use, which makes another copy of it anyway.
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
  int64_t channels() const { return weight_.size(0); }

  /// @param x [B, K, H, W], channels last on the CPU.
  /// @param relu applied to the result in the same pass where the device can.
  at::Tensor operator()(const at::Tensor& x, bool relu = false) const;

private:
  friend class strip_convolution;

  /// The weight in the number type that it computes with.
  at::Tensor wide_weight() const;

  at::Tensor weight_;
  std::optional<at::Tensor> bias_;
  options how_;
  bool by_onednn_ = false;
};

/// A convolution over the strips of one plane.
///
/// The problem: in which layout oneDNN wants a weight depends on the size of its input and on its
/// threads. It repacks one that lies otherwise at each call, and between two packed layouts by its
/// slowest code: six times what a strip of 512 channels takes. So the weight is packed where the
/// strips are, once for each height among them.
/// Contract: the convolution outlives it. Thread rule: may be used by several threads at once.
class strip_convolution {
public:
  explicit strip_convolution(const convolution& of) : of_(of) {}

  /// Of a strip that brings its rows of padding along: pads only left and right.
  at::Tensor operator()(const at::Tensor& x) const;

  /// The same, added to `sum` in place.
  void add(at::Tensor& sum, const at::Tensor& x) const;

private:
  at::Tensor weight_for(const at::Tensor& x) const;

  const convolution& of_;
  mutable std::mutex mutex_;
  mutable std::map<int64_t, at::Tensor> packed_; ///< by the height of the strip
};

} // namespace luna::models
