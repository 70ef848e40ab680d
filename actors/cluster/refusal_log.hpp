#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace luna {

/// Log lines about peers that were not let in.
///
/// The problem: an operator must see why a node is refused, and strangers who knock a thousand
/// times a second must not fill the log.
///
/// Contract: an address with a problem is told at once, and the same again after `repeat` at the
/// earliest, then with how often it came; at most `max_lines` lines in `window`, then with how many
/// were left out. Memory is bounded. Thread rule: any thread.
class refusal_log {
public:
  using time_point = std::chrono::steady_clock::time_point;
  using writer = std::function<void(const std::string& line)>;

  static constexpr std::chrono::seconds repeat{60};
  static constexpr std::chrono::seconds window{10};
  static constexpr uint32_t max_lines = 10;
  static constexpr size_t max_entries = 256;

  explicit refusal_log(writer write) : write_(std::move(write)) {}

  void add(const std::string& address, const std::string& problem, time_point now);

private:
  struct entry {
    time_point said;
    uint64_t since = 0; ///< how often it came since then
  };

  bool may_write(time_point now);

  const writer write_;
  std::mutex mutex_;
  std::map<std::string, entry> entries_; ///< by address and problem
  time_point window_began_{};
  uint32_t lines_ = 0;    ///< in this window
  uint64_t left_out_ = 0; ///< since the last line
};

} // namespace luna
