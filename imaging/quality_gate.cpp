#include "imaging/quality_gate.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace luna::imaging {

namespace {

constexpr double full_variance = 3000;
constexpr double full_edges = 0.05;

/// Luma on 0..255.
class luma_plane {
public:
  explicit luma_plane(const tensor_block& image)
    : height_(static_cast<size_t>(image.dim(0))), width_(static_cast<size_t>(image.dim(1))),
      values_(height_ * width_) {
    const auto channels = static_cast<size_t>(image.dim(2));
    const auto* pixel = image.as<uint8_t>().data();
    for (auto& y : values_) {
      y = channels == 1
          ? static_cast<float>(pixel[0])
          : 0.299F * static_cast<float>(pixel[0]) + 0.587F * static_cast<float>(pixel[1])
              + 0.114F * static_cast<float>(pixel[2]);
      pixel += channels;
    }
  }

  double variance_score() const {
    const auto n = static_cast<double>(values_.size());
    double sum = 0;
    for (const auto y : values_)
      sum += y;
    const double mean = sum / n;
    double squares = 0;
    for (const auto y : values_)
      squares += (y - mean) * (y - mean);
    return std::min(1.0, squares / n / full_variance);
  }

  /// A direction in which the picture has one pixel has no edges.
  double edge_score() const {
    const double down = mean_step(height_ - 1, width_, width_);
    const double right = mean_step(height_, width_ - 1, 1);
    return std::min(1.0, (down + right) / 2 / 255 / full_edges);
  }

private:
  /// Mean of |Y[i + distance] - Y[i]| over the first rows and columns.
  double mean_step(size_t rows, size_t columns, size_t distance) const {
    if (rows == 0 || columns == 0)
      return 0;
    double sum = 0;
    for (size_t row = 0; row < rows; ++row) {
      const auto* y = values_.data() + row * width_;
      float part = 0;
      for (size_t x = 0; x < columns; ++x)
        part += std::abs(y[x + distance] - y[x]);
      sum += part;
    }
    return sum / static_cast<double>(rows * columns);
  }

  size_t height_;
  size_t width_;
  std::vector<float> values_;
};

} // namespace

gate_verdict judge(const tensor_block& image, quality_gate gate, double threshold) {
  if (gate == quality_gate::disabled)
    return {};
  const luma_plane luma{image};
  const bool by_variance = gate != quality_gate::edge_density;
  const bool by_edges = gate != quality_gate::variance;
  const double variance = by_variance ? luma.variance_score() : 1;
  const double edges = by_edges ? luma.edge_score() : 1;
  const double score = by_variance && by_edges ? (variance + edges) / 2
                     : by_variance             ? variance
                                               : edges;
  return {variance >= threshold && edges >= threshold, score};
}

} // namespace luna::imaging
