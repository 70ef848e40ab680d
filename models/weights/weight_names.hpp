#pragma once

#include <string>

namespace luna::models {

/// The tensors of a linear layer in a file.
struct linear_names {
  std::string weight;
  std::string bias; ///< empty: it has none
};

} // namespace luna::models
