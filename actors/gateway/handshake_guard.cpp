#include "actors/gateway/handshake_guard.hpp"

#include <algorithm>
#include <utility>

namespace luna {

handshake_guard::entry& handshake_guard::look_up(const std::string& address, time_point now) {
  if (entries_.size() >= max_addresses && entries_.count(address) == 0)
    forget_some(now);
  auto& x = entries_[address];
  x.last_seen = now;
  return x;
}

/// Those that have nothing open and nothing to remember; if there are none, whoever has nothing
/// open.
void handshake_guard::forget_some(time_point now) {
  std::erase_if(entries_, [&](auto& x) {
    return !x.second.open() && !x.second.known(now) && !x.second.suspect(now);
  });
  if (entries_.size() >= max_addresses)
    std::erase_if(entries_, [](auto& x) { return !x.second.open(); });
}

uint32_t handshake_guard::strangers(time_point now) const {
  uint32_t count = 0;
  for (auto& [address, x] : entries_)
    if (!x.known(now))
      count += x.handshakes;
  return count;
}

std::optional<std::string> handshake_guard::enter(const std::string& address, time_point now) {
  auto& x = look_up(address, now);
  if (x.known(now)) {
    if (x.handshakes >= max_known_)
      return "too many peers at " + address
           + " are saying hello to this gateway at once: try again";
  } else {
    if (x.handshakes >= std::max(max_handshakes_ / 4, 1U))
      return "too many peers at " + address
           + " are saying hello to this gateway at once: try again";
    if (strangers(now) >= max_handshakes_)
      return "too many peers are saying hello to this gateway at once: try again";
  }
  ++x.handshakes;
  return std::nullopt;
}

void handshake_guard::admitted(const std::string& address) {
  auto& x = entries_.at(address);
  --x.handshakes;
  ++x.clients;
}

void handshake_guard::leave(const std::string& address, bool was_admitted, time_point now) {
  auto i = entries_.find(address);
  auto& x = i->second;
  if (was_admitted) {
    --x.clients;
    x.known_until = now + known_for;
  } else {
    --x.handshakes;
  }
  if (!x.open() && !x.known(now) && x.wrong_proofs == 0)
    entries_.erase(i);
}

handshake_guard::time_point handshake_guard::judge_at(const std::string& address, time_point now) {
  auto& x = look_up(address, now);
  if (!x.suspect(now))
    return now;
  auto at = std::max(x.next_turn, now);
  x.next_turn = at + judging_pause;
  return at;
}

std::optional<std::string> handshake_guard::wrong_proof(const std::string& address,
                                                        time_point now) {
  auto& x = look_up(address, now);
  if (now - x.last_wrong >= forgive_after)
    x.wrong_proofs = 0;
  ++x.wrong_proofs;
  x.last_wrong = now;
  ++unlogged_;
  if (logged_ && now - *logged_ < log_pause)
    return std::nullopt;
  logged_ = now;
  auto text = std::to_string(std::exchange(unlogged_, 0)) + " hello(s) without the right proof of "
            + "the secret, the last from " + address;
  if (x.suspect(now))
    text += "; hellos from there are judged ten a second from now on";
  return text;
}

} // namespace luna
