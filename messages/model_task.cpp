#include "messages/model_task.hpp"

#include <atomic>

namespace luna {

std::string to_string(const model_ref& x) {
  if (x.files.size() == 1 && x.type.empty())
    return x.files.front();
  auto text = x.type + "(";
  for (size_t i = 0; i < x.files.size(); ++i)
    text += (i ? ", " : "") + x.files[i];
  return text + ")";
}

uint64_t next_task_id() {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

} // namespace luna
