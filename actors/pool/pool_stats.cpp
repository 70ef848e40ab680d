#include "actors/pool/pool_stats.hpp"

#include <algorithm>
#include <cmath>

namespace luna {

namespace {

using std::chrono::milliseconds;

constexpr double unknown_task_ms = 1000;
constexpr double weight_of_the_last = 0.2;

} // namespace

void pool_stats::answered(std::chrono::steady_clock::duration latency, bool success) {
  if (!success) {
    ++failed_;
    return;
  }
  ++completed_;
  auto us = std::chrono::duration_cast<std::chrono::microseconds>(latency).count();
  auto value = static_cast<uint32_t>(std::clamp<int64_t>(us, 0, UINT32_MAX));
  if (latencies_us_.size() < window_)
    latencies_us_.push_back(value);
  else
    latencies_us_[next_] = value;
  next_ = (next_ + 1) % window_;
}

void pool_stats::served(std::chrono::steady_clock::duration busy, size_t tasks) {
  auto ms = std::chrono::duration<double, std::milli>(busy).count()
          / static_cast<double>(std::max<size_t>(tasks, 1));
  task_ms_ = task_ms_ == 0 ? ms : task_ms_ + weight_of_the_last * (ms - task_ms_);
}

uint32_t pool_stats::percentile_us(double p) const {
  if (latencies_us_.empty())
    return 0;
  auto sorted = latencies_us_;
  auto rank = static_cast<size_t>(std::ceil(p * static_cast<double>(sorted.size())));
  auto nth = sorted.begin() + static_cast<ptrdiff_t>(std::max<size_t>(rank, 1) - 1);
  std::nth_element(sorted.begin(), nth, sorted.end());
  return *nth;
}

milliseconds pool_stats::retry_after(size_t waiting) const {
  auto task = task_ms_ == 0 ? unknown_task_ms : task_ms_;
  auto ms = task * static_cast<double>(waiting) / 2;
  return milliseconds{static_cast<int64_t>(std::clamp(ms, 100.0, 60000.0))};
}

} // namespace luna
