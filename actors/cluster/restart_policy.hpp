#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>

namespace luna {

/// When a child that failed is started again, as Erlang/OTP does it, with a pause that grows.
struct restart_limits {
  uint32_t intensity = 5;                  ///< so many restarts ...
  std::chrono::milliseconds period{60000}; ///< ... within this time, no more
  std::chrono::milliseconds first_delay{200};
  std::chrono::milliseconds longest_delay{10000};
  double jitter = 0.2; ///< each delay is stretched or shortened by up to this part of it
};

/// Counts the failures of one child.
///
/// The problem: a child that dies at once after each start must neither burn the machine nor stay
/// down for ever, and the children of many nodes must not come back in step.
///
/// Contract: the n-th failure within `period` is answered with a delay of
/// `first_delay * 2^(n-1)`, at most `longest_delay`, with jitter; the one after `intensity`
/// failures is answered with nothing: the owner gives up (or escalates) until `quiet_at`. Failures
/// older than `period` no longer count. Thread rule: one thread. Time and randomness come from the
/// caller, so tests are exact.
class restart_policy {
public:
  using time_point = std::chrono::steady_clock::time_point;

  explicit restart_policy(restart_limits limits = {}, uint64_t seed = 0);

  /// The child failed at `now`: how long to wait before it starts again, or nothing.
  std::optional<std::chrono::milliseconds> failed(time_point now);

  /// When all failures that count now have left the period.
  time_point quiet_at() const;

  /// Failures that count at `now`.
  uint32_t recent(time_point now);

  /// Forgets all failures: an operator started the child by hand.
  void forget();

  const restart_limits& limits() const noexcept { return limits_; }

private:
  void drop_old(time_point now);

  restart_limits limits_;
  std::deque<time_point> failures_;
  std::minstd_rand random_;
};

} // namespace luna
