#include "storage/lanes.hpp"

#include <algorithm>
#include <utility>

namespace luna::storage {

namespace {

using std::chrono::milliseconds;

/// Jobs that the throughput is taken from: few enough to follow a disk that slows down.
constexpr size_t remembered_ends = 32;

/// Below this a rate says nothing.
constexpr milliseconds least_busy{20};

} // namespace

lanes::lanes(options with, const std::vector<lane_description>& known) : options_(with) {
  for (auto& x : known)
    lanes_[x.name].remote = x.remote;
}

// -- counting ------------------------------------------------------------------------------------

uint64_t lanes::enter(const std::string& name, uint64_t bytes) {
  auto& x = lanes_[name];
  ++x.queued;
  return x.entered += bytes;
}

void lanes::start(const std::string& name, time_point now) {
  auto& x = lanes_[name];
  --x.queued;
  ++running_;
  if (x.running++ == 0)
    x.busy_since = now;
}

void lanes::stop(const std::string& name, time_point now) {
  auto& x = lanes_[name];
  ++x.queued;
  --running_;
  // A clock that was set back makes no time.
  auto since = std::max(now - x.busy_since, milliseconds{0});
  x.busy += since;
  x.busy_since = now;
  --x.running;
}

void lanes::abandon(const std::string& name) {
  ++lanes_[name].queued; // for `leave`: the worker stays counted
}

void lanes::stop_abandoned(const std::string& name, time_point now) {
  stop(name, now);
  --lanes_[name].queued;
}

void lanes::leave(const std::string& name, uint64_t bytes, bool written) {
  auto& x = lanes_[name];
  --x.queued;
  x.left += bytes;
  if (!written)
    return;
  if (x.ends.empty())
    x.ends.emplace_back(milliseconds{0}, 0);
  x.written += bytes;
  x.ends.emplace_back(x.busy, x.written);
  if (x.ends.size() > remembered_ends)
    x.ends.pop_front();
}

// -- health --------------------------------------------------------------------------------------

time_point lanes::went_down(const std::string& name, std::string why, time_point now) {
  auto& x = lanes_[name];
  auto known = !x.problem.empty() && now < x.retry_at; // said by several attempts at once
  x.problem = std::move(why);
  if (!known) {
    auto doublings = std::min<uint32_t>(x.failures++, 20);
    x.retry_at = now + std::min(options_.first_pause * (1 << doublings), options_.longest_pause);
  }
  return x.retry_at;
}

void lanes::end_pauses(time_point now) {
  for (auto& [name, x] : lanes_) {
    x.retry_at = std::min(x.retry_at, now);
    x.busy_since = std::min(x.busy_since, now);
  }
}

void lanes::came_up(const std::string& name) {
  auto& x = lanes_[name];
  x.problem.clear();
  x.failures = 0;
}

// -- asking --------------------------------------------------------------------------------------

bool lanes::may_start(const std::string& name, time_point now) const {
  auto i = lanes_.find(name);
  if (i == lanes_.end())
    return true;
  auto& x = i->second;
  if (!x.problem.empty() && (now < x.retry_at || x.running > 0))
    return false;
  if (options_.workers == 0)
    return true;
  if (running_ >= options_.workers)
    return false;
  return x.running == 0 || options_.workers - running_ - 1 >= reserved_beside(name, x);
}

/// The workers that stay free for others when this lane has one already.
size_t lanes::reserved_beside(const std::string& name, const lane& x) const {
  size_t remote = 0;
  auto other_folders = false;
  auto folder_runs = false;
  for (auto& [other_name, other] : lanes_) {
    if (other_name == name)
      continue;
    if (other.remote) {
      remote += other.running == 0 ? 1 : 0;
    } else {
      other_folders = true;
      folder_runs = folder_runs || other.running > 0;
    }
  }
  // A remote lane leaves room for the folders also before the first folder is known.
  auto for_folders = (other_folders || x.remote) && !folder_runs;
  return remote + (for_folders ? 1 : 0);
}

std::optional<time_point> lanes::held_until(const std::string& name) const {
  auto i = lanes_.find(name);
  if (i == lanes_.end() || i->second.problem.empty())
    return std::nullopt;
  return i->second.retry_at;
}

double lanes::rate_of(const lane& x) {
  if (x.ends.size() < 2)
    return 0;
  auto time = x.ends.back().first - x.ends.front().first;
  if (time < least_busy)
    return 0;
  auto bytes = x.ends.back().second - x.ends.front().second;
  return static_cast<double>(bytes) * 1000 / static_cast<double>(time.count());
}

std::optional<milliseconds> lanes::eta(const std::string& name, uint64_t place) const {
  auto i = lanes_.find(name);
  if (i == lanes_.end() || !i->second.problem.empty())
    return std::nullopt;
  auto rate = rate_of(i->second);
  if (rate <= 0)
    return std::nullopt;
  auto ahead = place > i->second.left ? place - i->second.left : 0;
  return milliseconds{static_cast<int64_t>(static_cast<double>(ahead) * 1000 / rate)};
}

std::vector<lane_status> lanes::status() const {
  std::vector<lane_status> all;
  for (auto& [name, x] : lanes_)
    all.push_back({name, x.remote, x.queued, x.running, x.problem, x.retry_at, rate_of(x)});
  return all;
}

} // namespace luna::storage
