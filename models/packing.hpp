#pragma once

#include <algorithm>
#include <cstdint>

/// Internal to models/. How a large 16-bit weight is cut for computing in fp32: free of libtorch,
/// so that the estimates can count with it.
namespace luna::models {

/// Rows of a [rows, columns] weight that one thread widens at a time.
///
/// Enough work that a call of the library costs little beside it, little enough to be near when it
/// is multiplied, and a part for each thread. Parts of whole 64 rows give each place of the product
/// the same sum in the same order as the undivided weight, bit for bit.
constexpr int64_t part_rows(int64_t rows, int64_t columns, int64_t threads) {
  constexpr int64_t block = 64;            ///< rows that oneDNN stores together
  constexpr int64_t part_weights = 420000; ///< 1.7 MB widened
  auto blocks = [](int64_t x) { return std::max<int64_t>((x + block - 1) / block, 1) * block; };
  auto fitting = std::max<int64_t>(part_weights / std::max<int64_t>(columns, 1) / block, 1) * block;
  auto share = blocks((rows + threads - 1) / std::max<int64_t>(threads, 1));
  return std::max<int64_t>(std::min({fitting, share, rows}), 1);
}

} // namespace luna::models
