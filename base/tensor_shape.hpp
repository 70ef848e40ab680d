#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/tensor_block.hpp"

namespace luna {

/// What a tensor that is yet to come looks like.
struct tensor_shape {
  std::string name;
  dtype type = dtype::f32;
  std::vector<int64_t> shape;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, tensor_shape& x) {
  return f(x.name, x.type, x.shape);
}

} // namespace luna
