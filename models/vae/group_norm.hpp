#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "models/weights/weight_memory.hpp"

/// Internal to models/: needs libtorch's headers.
namespace luna::models {

/// Group normalisation with 32 groups, as autoencoders use it.
class group_norm {
public:
  /// What normalising comes down to once a plane's moments are known: x * scale + shift, by
  /// channel.
  struct line {
    at::Tensor scale; ///< [1, C, 1, 1] fp32
    at::Tensor shift;
  };

  static result<group_norm> load(const std::string& name, weight_reader& reader,
                                 weight_memory& memory, at::ScalarType type);

  at::Tensor operator()(const at::Tensor& x) const;

  /// @pre x is [1, C, H, W] fp32 on the CPU, channels last. One pass over x; moments are summed in
  /// double precision in an order that the number of threads does not change.
  line line_of(const at::Tensor& x) const;

private:
  at::Tensor weight_;
  at::Tensor bias_;
};

} // namespace luna::models
