#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include "messages/type_ids.hpp"

namespace luna {

/// When an actor with many deadlines looks at them next.
///
/// The problem: a delayed message stays in CAF's clock until it is due, whatever has become of what
/// it was for. A deadline may be a day away, so an actor has one message for all of them, and that
/// is never more than a second away.
///
/// Contract: send yourself a message with `generation()` after the time that plan() gives; when one
/// comes for which woke() is true, look at the deadlines and plan again.
class wake_up {
public:
  using time_point = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds max_sleep{1000};

  /// @param deadline the next one, or any that is new.
  /// @returns after how long to send the message; nothing if one is on its way that is early
  /// enough.
  std::optional<std::chrono::milliseconds> plan(time_point now, time_point deadline) {
    auto next = std::min(deadline, now + max_sleep);
    if (at_ && *at_ <= next)
      return std::nullopt;
    at_ = next;
    ++generation_;
    return std::chrono::ceil<std::chrono::milliseconds>(
      std::max(next - now, time_point::duration::zero()));
  }

  uint64_t generation() const noexcept { return generation_; }

  /// A message has come. @returns whether it is the last that was planned.
  bool woke(uint64_t generation) {
    if (generation != generation_)
      return false;
    at_.reset();
    return true;
  }

private:
  std::optional<time_point> at_;
  uint64_t generation_ = 0;
};

/// Sends (expire_atom, generation) to the actor itself by the deadline, if none is on its way that
/// is early enough.
template <class Self>
void schedule(Self* self, wake_up& wake, wake_up::time_point deadline) {
  if (auto delay = wake.plan(self->clock().now(), deadline))
    self->delayed_send(self, *delay, expire_atom_v, wake.generation());
}

} // namespace luna
