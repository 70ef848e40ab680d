#include "nodes/watchdog.hpp"

#include <spdlog/spdlog.h>

#include <cstdlib>

namespace luna {

watchdog::~watchdog() {
  if (!thread_.joinable())
    return;
  {
    std::lock_guard guard{mutex_};
    over_ = true;
  }
  done_.notify_one();
  thread_.join();
}

void watchdog::start(std::chrono::milliseconds patience, int status) {
  thread_ = std::thread{[this, patience, status] {
    std::unique_lock lock{mutex_};
    if (done_.wait_for(lock, patience, [this] { return over_; }))
      return;
    spdlog::error("the actors did not end in {} ms; the process ends now", patience.count());
    std::_Exit(status);
  }};
}

} // namespace luna
