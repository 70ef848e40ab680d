#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace luna {

/// Ends the process if its end takes too long.
///
/// CAF waits in `~actor_system` for every thread of its own, and a thread that computes in
/// libtorch, or an actor that somebody still holds, keeps it there. The watchdog bounds that:
/// started before the system is destroyed, it ends the process with `status` unless it is destroyed
/// itself in time.
class watchdog {
public:
  watchdog() = default;
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;
  ~watchdog();

  void start(std::chrono::milliseconds patience, int status);

private:
  std::mutex mutex_;
  std::condition_variable done_;
  bool over_ = false;
  std::thread thread_;
};

} // namespace luna
