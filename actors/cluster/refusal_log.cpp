#include "actors/cluster/refusal_log.hpp"

#include "tls/tls_problem.hpp"

namespace luna {

bool refusal_log::may_write(time_point now) {
  if (now - window_began_ >= window) {
    window_began_ = now;
    lines_ = 0;
  }
  return lines_ < max_lines;
}

void refusal_log::add(const std::string& address, const std::string& problem, time_point now) {
  std::lock_guard guard{mutex_};
  auto key = address + ' ' + tls::without_clock(problem);
  auto known = entries_.find(key);
  if (known != entries_.end() && now - known->second.said < repeat) {
    ++known->second.since;
    return;
  }
  if (!may_write(now)) {
    ++left_out_;
    return;
  }
  if (known == entries_.end() && entries_.size() >= max_entries)
    entries_.clear();
  auto& entry = entries_[key];
  auto line = "a connection from " + address + " was refused: " + problem;
  if (entry.since > 0)
    line += "; " + std::to_string(entry.since) + " times since this was last said";
  if (left_out_ > 0)
    line += "; " + std::to_string(left_out_) + " other refusals were left out of the log";
  entry = {now, 0};
  left_out_ = 0;
  ++lines_;
  write_(line);
}

} // namespace luna
