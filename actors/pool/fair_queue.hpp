#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <vector>

namespace luna {

/// Tasks that wait, of clients that take turns.
///
/// The problem: in one line, who sends a hundred requests keeps everybody else waiting for all of
/// them.
///
/// Contract: the order is one task of each client, then the next of each; of one client FIFO. Who
/// was served stands behind all others, who comes anew behind those that wait. Thread rule: a plain
/// value.
class fair_queue {
public:
  void push_back(uint64_t client, uint64_t task);

  /// A task that was served in vain: the next of its client, whose turn it is.
  void push_front(uint64_t client, uint64_t task);

  /// No effect if the task does not wait.
  void erase(uint64_t task);

  bool empty() const noexcept { return turns_.empty(); }

  /// The task whose turn it is. @pre not empty
  uint64_t front() const { return waiting_.at(turns_.front()).front(); }

  /// All tasks as they would be served one by one.
  std::vector<uint64_t> order() const;

  /// Takes tasks out; their clients have had their turn.
  void serve(std::span<const uint64_t> tasks);

private:
  void leave(uint64_t client); ///< the ring

  std::map<uint64_t, std::deque<uint64_t>> waiting_; ///< by client; none is empty
  std::deque<uint64_t> turns_;                       ///< the clients of `waiting_`, next first
};

} // namespace luna
