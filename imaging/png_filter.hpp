#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace luna::imaging {

/// PNG's row filters with the usual heuristic: of none, sub, up, average and Paeth the one whose
/// residuals, read as signed bytes, have the smallest sum of absolute values.
/// https://www.w3.org/TR/png-3/#9Filters
///
/// Thread rule: one object for one thread.
class row_filter {
public:
  /// @param row_bytes bytes of a row without its filter byte, at least `pixel_bytes`.
  /// @param pixel_bytes 1 to 8: a pixel's.
  /// @param above the row above the first one that is filtered; nullptr at the top.
  row_filter(size_t row_bytes, size_t pixel_bytes, const uint8_t* above = nullptr);

  /// Filters the next row, top down.
  /// @param out 1 + row_bytes bytes: the filter's number and the residuals.
  void filter(const uint8_t* row, uint8_t* out);

private:
  size_t row_bytes_;
  size_t pixel_bytes_;
  std::vector<uint8_t> zeros_;      ///< the row above the first
  const uint8_t* above_;            ///< the caller's last row; nullptr at the top
  std::vector<uint8_t> candidates_; ///< residuals of sub, up, average, Paeth
};

} // namespace luna::imaging
