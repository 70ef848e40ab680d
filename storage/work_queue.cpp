#include "storage/work_queue.hpp"

namespace luna::storage {

namespace {

/// Blocked jobs that are looked at before giving up until the next call: bounds a take.
constexpr int max_blocked = 1000;

} // namespace

void work_queue::add(const std::string& id, int8_t priority, time_point due) {
  remove(id);
  positions_[id] = {priority, due};
  waiting_.emplace(due, id);
}

void work_queue::remove(const std::string& id) {
  auto i = positions_.find(id);
  if (i == positions_.end())
    return;
  waiting_.erase({i->second.due, id});
  ready_.erase({-i->second.priority, id});
  positions_.erase(i);
}

std::optional<std::string>
work_queue::take(time_point now, const std::function<bool(const std::string&)>& blocked) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    auto id = waiting_.begin()->second;
    ready_.emplace(-positions_.at(id).priority, id);
    waiting_.erase(waiting_.begin());
  }
  int looked_at = 0;
  for (auto i = ready_.begin(); i != ready_.end() && looked_at < max_blocked; ++i, ++looked_at) {
    if (blocked(i->second))
      continue;
    auto id = i->second;
    remove(id);
    return id;
  }
  return std::nullopt;
}

std::optional<time_point> work_queue::next_due() const {
  if (waiting_.empty())
    return std::nullopt;
  return waiting_.begin()->first;
}

} // namespace luna::storage
