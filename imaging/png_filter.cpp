#include "imaging/png_filter.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "imaging/target_clones.hpp"

namespace luna::imaging {

namespace {

/// The predictor of three neighbours, without branches so that the loop becomes vector code.
inline uint8_t paeth(int left, int above, int corner) {
  const int to_left = std::abs(above - corner);
  const int to_above = std::abs(left - corner);
  const int to_corner = std::abs(left + above - 2 * corner);
  const int second = to_above <= to_corner ? above : corner;
  return static_cast<uint8_t>(to_left <= to_above && to_left <= to_corner ? left : second);
}

/// |x| of a residual read as a signed byte.
inline uint32_t weight(uint8_t residual) {
  return residual < 128 ? residual : 256u - residual;
}

LUNA_TARGET_CLONES
uint64_t weigh(const uint8_t* residuals, size_t n) {
  uint64_t sum = 0;
  for (size_t i = 0; i < n; ++i)
    sum += weight(residuals[i]);
  return sum;
}

LUNA_TARGET_CLONES
void subtract(const uint8_t* row, const uint8_t* from, uint8_t* out, size_t n) {
  for (size_t i = 0; i < n; ++i)
    out[i] = static_cast<uint8_t>(row[i] - from[i]);
}

LUNA_TARGET_CLONES
void subtract_average(const uint8_t* row, const uint8_t* left, const uint8_t* above, uint8_t* out,
                      size_t n) {
  for (size_t i = 0; i < n; ++i)
    out[i] = static_cast<uint8_t>(row[i] - ((left[i] + above[i]) >> 1));
}

LUNA_TARGET_CLONES
void subtract_paeth(const uint8_t* row, const uint8_t* left, const uint8_t* above,
                    const uint8_t* corner, uint8_t* out, size_t n) {
  for (size_t i = 0; i < n; ++i)
    out[i] = static_cast<uint8_t>(row[i] - paeth(left[i], above[i], corner[i]));
}

} // namespace

row_filter::row_filter(size_t row_bytes, size_t pixel_bytes)
  : row_bytes_(row_bytes), pixel_bytes_(pixel_bytes), zeros_(row_bytes, 0),
    candidates_(4 * row_bytes) {}

void row_filter::filter(const uint8_t* row, uint8_t* out) {
  const uint8_t* above = above_ != nullptr ? above_ : zeros_.data();
  const size_t rest = row_bytes_ - pixel_bytes_;
  uint8_t* sub = candidates_.data();
  uint8_t* up = sub + row_bytes_;
  uint8_t* average = up + row_bytes_;
  uint8_t* mixed = average + row_bytes_;

  // The first pixel has no neighbour on the left: 0 stands for it and for the corner, so Paeth
  // predicts what is above.
  for (size_t i = 0; i < pixel_bytes_; ++i) {
    sub[i] = row[i];
    average[i] = static_cast<uint8_t>(row[i] - (above[i] >> 1));
    mixed[i] = static_cast<uint8_t>(row[i] - above[i]);
  }
  subtract(row, above, up, row_bytes_);
  const uint8_t* from = row + pixel_bytes_;
  subtract(from, row, sub + pixel_bytes_, rest);
  subtract_average(from, row, above + pixel_bytes_, average + pixel_bytes_, rest);
  subtract_paeth(from, row, above + pixel_bytes_, above, mixed + pixel_bytes_, rest);

  const uint8_t* best = row;
  uint64_t best_weight = weigh(row, row_bytes_);
  out[0] = 0;
  for (uint8_t kind = 1; kind <= 4; ++kind) {
    const uint8_t* residuals = candidates_.data() + (kind - 1) * row_bytes_;
    if (const auto sum = weigh(residuals, row_bytes_); sum < best_weight) {
      best = residuals;
      best_weight = sum;
      out[0] = kind;
    }
  }
  std::memcpy(out + 1, best, row_bytes_);
  above_ = row;
}

} // namespace luna::imaging
