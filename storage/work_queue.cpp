#include "storage/work_queue.hpp"

#include <algorithm>

namespace luna::storage {

namespace {

/// Blocked jobs of a lane that are looked at before giving up until the next call: bounds a take.
constexpr size_t max_blocked = 1000;

} // namespace

void work_queue::add(const std::string& id, const std::string& lane, int8_t priority,
                     time_point due) {
  remove(id);
  positions_[id] = {lane, priority, due};
  lines_[lane].waiting.emplace(due, id);
}

void work_queue::remove(const std::string& id) {
  auto i = positions_.find(id);
  if (i == positions_.end())
    return;
  auto& [lane, priority, due] = i->second;
  auto x = lines_.find(lane);
  x->second.waiting.erase({due, id});
  x->second.ready.erase({-priority, id});
  positions_.erase(i);
}

void work_queue::make_all_due() {
  for (auto& [lane, x] : lines_)
    wake(x, time_point::max());
}

void work_queue::wake(line& x, time_point now) {
  while (!x.waiting.empty() && x.waiting.begin()->first <= now) {
    auto id = x.waiting.begin()->second;
    x.ready.emplace(-positions_.at(id).priority, id);
    x.waiting.erase(x.waiting.begin());
  }
}

std::optional<work_queue::place>
work_queue::first_of(const line& x, lane_turn turn,
                     const std::function<bool(const std::string&)>& blocked) {
  auto i = turn == lane_turn::next ? x.ready.upper_bound(x.taken) : x.ready.begin();
  auto most = std::min(x.ready.size(), max_blocked);
  for (size_t looked_at = 0; looked_at < most; ++looked_at, ++i) {
    if (i == x.ready.end())
      i = x.ready.begin();
    if (!blocked(i->second))
      return *i;
  }
  return std::nullopt;
}

std::optional<std::string>
work_queue::take(time_point now, const std::function<lane_turn(const std::string&)>& turn_of,
                 const std::function<bool(const std::string&)>& blocked) {
  std::optional<place> best;
  line* its_line = nullptr;
  for (auto& [lane, x] : lines_) {
    wake(x, now);
    auto turn = x.ready.empty() ? lane_turn::none : turn_of(lane);
    if (turn == lane_turn::none)
      continue;
    auto first = first_of(x, turn, blocked);
    if (first && (!best || *first < *best)) {
      best = std::move(first);
      its_line = &x;
    }
  }
  if (!best)
    return std::nullopt;
  its_line->taken = *best;
  remove(best->second);
  return best->second;
}

std::optional<time_point> work_queue::next_due(
  time_point now,
  const std::function<std::optional<time_point>(const std::string&)>& held_until) const {
  std::optional<time_point> next;
  for (auto& [lane, x] : lines_) {
    auto held = held_until(lane);
    auto is_held = held && *held > now;
    // What is ready in a lane that may run waits for a worker, not for a time.
    if (x.waiting.empty() && (!is_held || x.ready.empty()))
      continue;
    auto due = is_held && !x.ready.empty() ? *held : x.waiting.begin()->first;
    if (is_held)
      due = std::max(due, *held);
    next = next ? std::min(*next, due) : due;
  }
  return next;
}

} // namespace luna::storage
