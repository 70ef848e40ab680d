#include "messages/cluster.hpp"

#include <algorithm>
#include <iterator>

namespace luna {

void unload_report::add(unload_report other) {
  std::move(other.unloaded.begin(), other.unloaded.end(), std::back_inserter(unloaded));
  std::move(other.kept.begin(), other.kept.end(), std::back_inserter(kept));
  for (auto& [device, bytes] : other.freed_bytes)
    freed_bytes[device] += bytes;
}

bool command_report::done() const {
  return std::all_of(answers.begin(), answers.end(), [](auto& x) { return x.done; });
}

void command_report::add(command_report other) {
  std::move(other.answers.begin(), other.answers.end(), std::back_inserter(answers));
  std::sort(answers.begin(), answers.end(), [](auto& x, auto& y) { return x.who < y.who; });
  unload.add(std::move(other.unload));
  cancelled += other.cancelled;
}

} // namespace luna
