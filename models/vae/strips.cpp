#include "models/vae/strips.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <atomic>

namespace luna::models {

namespace {

constexpr int64_t strip_bytes = int64_t{1} << 20; ///< half of a common second-level cache
constexpr int64_t least_rows = 4;                 ///< rows above and below are computed twice

int64_t strip_height(int64_t rows, int64_t row_bytes) {
  auto fitting = std::max(least_rows, strip_bytes / std::max<int64_t>(row_bytes, 1));
  auto share = (rows + at::get_num_threads() - 1) / at::get_num_threads();
  return std::clamp<int64_t>(std::min(fitting, share), 1, rows);
}

} // namespace

void for_each_strip(int64_t rows, int64_t row_bytes, const std::function<void(strip)>& body) {
  auto height = strip_height(rows, row_bytes);
  auto count = (rows + height - 1) / height;
  std::atomic<int64_t> next{0};
  // Cores take strips as they get to them: one that is busy with other work holds nobody up.
  at::parallel_for(0, std::min<int64_t>(count, at::get_num_threads()), 1, [&](int64_t, int64_t) {
    c10::InferenceMode mode; // this setting does not follow into the pool's threads
    for (auto i = next++; i < count; i = next++)
      body({i * height, std::min(height, rows - i * height)});
  });
}

at::Tensor rows_of(const at::Tensor& x, int64_t first, int64_t count, int64_t right) {
  auto begin = std::max<int64_t>(first, 0);
  auto end = std::min(first + count, x.size(2));
  if (begin == first && end == first + count && right == 0)
    return x.narrow(2, first, count);
  auto padded =
    at::empty({1, x.size(1), count, x.size(3) + right}, x.options(), at::MemoryFormat::ChannelsLast)
      .zero_();
  padded.narrow(2, begin - first, end - begin)
    .narrow(3, 0, x.size(3))
    .copy_(x.narrow(2, begin, end - begin));
  return padded;
}

} // namespace luna::models
