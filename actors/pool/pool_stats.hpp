#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace luna {

/// What a pool tells about itself: counts, latencies of the last requests, its pace.
/// Thread rule: a plain value.
class pool_stats {
public:
  /// @param window of how many requests the percentiles are.
  explicit pool_stats(size_t window = 512) : window_(window) {}

  /// A task was answered so long after it was accepted.
  void answered(std::chrono::steady_clock::duration latency, bool success);

  /// A batch of `tasks` kept the device busy so long.
  void served(std::chrono::steady_clock::duration busy, size_t tasks);

  uint64_t completed() const noexcept { return completed_; }
  uint64_t failed() const noexcept { return failed_; }

  /// The latency that a part `p` (0..1) of the last successful requests did not pass, in us; 0 if
  /// there were none.
  uint32_t percentile_us(double p) const;

  /// When someone who found `waiting` tasks in the queue should come again: when half of them will
  /// have been served, between 100 ms and a minute.
  std::chrono::milliseconds retry_after(size_t waiting) const;

private:
  size_t window_;
  size_t next_ = 0;
  std::vector<uint32_t> latencies_us_; ///< a ring
  uint64_t completed_ = 0;
  uint64_t failed_ = 0;
  double task_ms_ = 0; ///< moving average of device time for one task; 0: unknown
};

} // namespace luna
