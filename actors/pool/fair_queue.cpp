#include "actors/pool/fair_queue.hpp"

#include <algorithm>

namespace luna {

void fair_queue::push_back(uint64_t client, uint64_t task) {
  auto [i, is_new] = waiting_.try_emplace(client);
  i->second.push_back(task);
  if (is_new)
    turns_.push_back(client);
}

void fair_queue::push_front(uint64_t client, uint64_t task) {
  waiting_[client].push_front(task);
  std::erase(turns_, client);
  turns_.push_front(client);
}

void fair_queue::leave(uint64_t client) {
  waiting_.erase(client);
  std::erase(turns_, client);
}

void fair_queue::erase(uint64_t task) {
  for (auto& [client, tasks] : waiting_)
    if (std::erase(tasks, task) > 0) {
      if (tasks.empty())
        leave(client);
      return;
    }
}

std::vector<uint64_t> fair_queue::order() const {
  std::vector<uint64_t> result;
  for (size_t round = 0;; ++round) {
    auto before = result.size();
    for (auto client : turns_)
      if (auto& tasks = waiting_.at(client); round < tasks.size())
        result.push_back(tasks[round]);
    if (result.size() == before)
      return result;
  }
}

void fair_queue::serve(std::span<const uint64_t> tasks) {
  std::vector<uint64_t> served;
  for (auto client : turns_)
    if (auto& own = waiting_.at(client);
        std::erase_if(
          own,
          [&](uint64_t task) { return std::find(tasks.begin(), tasks.end(), task) != tasks.end(); })
        > 0)
      served.push_back(client);
  for (auto client : served) {
    std::erase(turns_, client);
    turns_.push_back(client);
    if (waiting_.at(client).empty())
      leave(client);
  }
}

} // namespace luna
