#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

namespace luna {

/// Who may say hello, and when it is judged.
///
/// The problem: anybody who reaches a gateway can open connections and say nothing, or guess the
/// secret. Neither may keep others out, least of all those who have shown that they may come in.
///
/// Contract: strangers have at most `max_handshakes` handshakes together and a quarter of that from
/// one address. An address that has clients, or had one within the hour, is known: its handshakes
/// count by themselves, up to `max_known`. From an address that sent five wrong proofs, each within
/// a minute of the last, hellos are judged 100 ms apart, known or not.
/// Thread rule: not thread-safe; time comes in, so tests move it.
class handshake_guard {
public:
  using time_point = std::chrono::steady_clock::time_point;

  static constexpr uint32_t free_wrong_proofs = 5;
  static constexpr std::chrono::milliseconds judging_pause{100};
  static constexpr std::chrono::minutes forgive_after{1};
  static constexpr std::chrono::hours known_for{1};
  static constexpr std::chrono::seconds log_pause{10};
  static constexpr size_t max_addresses = 4096; ///< that are remembered while nothing is open

  handshake_guard(uint32_t max_handshakes, uint32_t max_known)
    : max_handshakes_(max_handshakes), max_known_(max_known) {}

  /// A peer has connected. @returns why it must go; if nothing, `leave` follows at its end.
  std::optional<std::string> enter(const std::string& address, time_point now);

  /// A peer of that address has said a good hello.
  void admitted(const std::string& address);

  /// A connection has ended. @param was_admitted whether it had said a good hello.
  void leave(const std::string& address, bool was_admitted, time_point now);

  /// A hello has come: when to read it. Each call takes a turn.
  time_point judge_at(const std::string& address, time_point now);

  /// The hello was wrong. @returns a line for the log, at most one in ten seconds.
  std::optional<std::string> wrong_proof(const std::string& address, time_point now);

private:
  struct entry {
    uint32_t handshakes = 0; ///< open
    uint32_t clients = 0;    ///< open
    time_point known_until{};
    uint32_t wrong_proofs = 0;
    time_point last_wrong{};
    time_point next_turn{};
    time_point last_seen{};

    bool known(time_point now) const { return clients > 0 || now < known_until; }
    bool open() const { return handshakes > 0 || clients > 0; }
    bool suspect(time_point now) const {
      return wrong_proofs >= free_wrong_proofs && now - last_wrong < forgive_after;
    }
  };

  /// The entry of an address, made if need be.
  entry& look_up(const std::string& address, time_point now);

  void forget_some(time_point now);
  uint32_t strangers(time_point now) const;

  uint32_t max_handshakes_;
  uint32_t max_known_;
  std::unordered_map<std::string, entry> entries_;

  uint64_t unlogged_ = 0; ///< wrong proofs since the last line
  std::optional<time_point> logged_;
};

} // namespace luna
