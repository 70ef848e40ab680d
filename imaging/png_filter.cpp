#include "imaging/png_filter.hpp"

#include <algorithm>
#include <cstring>

#include "imaging/target_clones.hpp"

namespace luna::imaging {

namespace {

/// The predictor of three neighbours: without branches and in 16 bits, so that the loop becomes
/// vector code (in 8 bits, with minima and maxima, g++ 12 does not make it so).
inline uint8_t paeth(int16_t left, int16_t above, int16_t corner) {
  const auto magnitude = [](int16_t x) { return static_cast<int16_t>(x < 0 ? -x : x); };
  const auto rise = static_cast<int16_t>(above - corner);
  const auto run = static_cast<int16_t>(left - corner);
  const auto to_left = magnitude(rise);
  const auto to_above = magnitude(run);
  const auto to_corner = magnitude(static_cast<int16_t>(rise + run));
  const int16_t second = to_above <= to_corner ? above : corner;
  const int16_t nearest = to_above <= to_corner ? to_above : to_corner;
  return static_cast<uint8_t>(to_left <= nearest ? left : second);
}

/// |x| of a residual read as a signed byte.
inline uint8_t weight(uint8_t residual) {
  return residual < 128 ? residual : static_cast<uint8_t>(-residual);
}

/// Sum of the weights; pieces of 64 Ki keep it in 32 bits, which makes twice as fast a loop.
LUNA_TARGET_CLONES
uint64_t weigh(const uint8_t* residuals, size_t n) {
  uint64_t sum = 0;
  while (n > 0) {
    const size_t piece = std::min<size_t>(n, size_t{1} << 16);
    uint32_t part = 0;
    for (size_t i = 0; i < piece; ++i)
      part += weight(residuals[i]);
    sum += part;
    residuals += piece;
    n -= piece;
  }
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

row_filter::row_filter(size_t row_bytes, size_t pixel_bytes, const uint8_t* above)
  : row_bytes_(row_bytes), pixel_bytes_(pixel_bytes), zeros_(row_bytes, 0), above_(above),
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
