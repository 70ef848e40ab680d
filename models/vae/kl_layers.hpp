#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <optional>

#include "models/vae/convolution.hpp"
#include "models/vae/group_norm.hpp"

/// Internal to models/: needs libtorch's headers.
namespace luna::models {

/// conv3x3(silu(group_norm(x))): most of an autoencoder's work. On the CPU it goes through the
/// plane in strips, so that the normalised plane never exists as a whole.
struct normed_convolution {
  group_norm norm;
  convolution conv;

  at::Tensor operator()(const at::Tensor& x) const;

  /// Adds the result to `sum` in place.
  void add_to(at::Tensor& sum, const at::Tensor& x) const;
};

/// Two normalised convolutions beside a shortcut.
struct kl_block {
  normed_convolution first;
  normed_convolution second;
  std::optional<convolution> shortcut; ///< 1x1, where the number of channels changes

  /// @param x given away: the result may lie in its memory.
  at::Tensor operator()(at::Tensor x) const;
};

/// Nearest-neighbour x2 and a 3x3 convolution in one.
///
/// Every output place sees only 2x2 different input places, so the kernel comes down to four
/// kernels of 2x2, one for each place of a pair of rows and columns: 4/9 of the work, and the
/// doubled plane never exists.
class doubling_convolution {
public:
  /// @param name of a 3x3 convolution.
  static result<doubling_convolution> load(const std::string& name, weight_reader& reader,
                                           weight_memory& memory, int64_t channels,
                                           at::ScalarType type);

  at::Tensor operator()(const at::Tensor& x) const;

private:
  std::array<convolution, 4> quarters_; ///< [2 * row + column]
};

/// A 3x3 convolution of stride 2 over a plane padded by one zero on the right and below.
struct halving_convolution {
  convolution conv; ///< no padding of its own

  at::Tensor operator()(const at::Tensor& x) const;
};

} // namespace luna::models
