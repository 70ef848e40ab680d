#include "actors/cluster/restart_policy.hpp"

#include <algorithm>

namespace luna {

restart_policy::restart_policy(restart_limits limits, uint64_t seed)
  : limits_(limits), random_(static_cast<std::minstd_rand::result_type>(seed ^ (seed >> 32))) {}

std::optional<std::chrono::milliseconds> restart_policy::failed(time_point now) {
  drop_old(now);
  failures_.push_back(now);
  if (failures_.size() > limits_.intensity)
    return std::nullopt;
  auto delay = static_cast<double>(limits_.first_delay.count());
  auto longest = static_cast<double>(limits_.longest_delay.count());
  for (size_t i = 1; i < failures_.size() && delay < longest; ++i)
    delay *= 2;
  std::uniform_real_distribution<double> stretch{1 - limits_.jitter, 1 + limits_.jitter};
  delay = std::min(delay, longest) * stretch(random_);
  return std::chrono::milliseconds{static_cast<int64_t>(delay)};
}

restart_policy::time_point restart_policy::quiet_at() const {
  return failures_.empty() ? time_point{} : failures_.back() + limits_.period;
}

uint32_t restart_policy::recent(time_point now) {
  drop_old(now);
  return static_cast<uint32_t>(failures_.size());
}

void restart_policy::forget() {
  failures_.clear();
}

void restart_policy::drop_old(time_point now) {
  while (!failures_.empty() && failures_.front() + limits_.period <= now)
    failures_.pop_front();
}

} // namespace luna
