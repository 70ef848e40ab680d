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

std::string_view to_string(task_kind kind) {
  switch (kind) {
  case task_kind::tokenize:
    return "clip_tokenize";
  case task_kind::encode_text:
    return "clip_encode";
  case task_kind::encode_tokens:
    return "clip_encode_from_tokens";
  case task_kind::vae_encode:
    return "vae_encode";
  case task_kind::vae_decode:
    return "vae_decode";
  default:
    return "model_info";
  }
}

uint64_t next_task_id() {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

} // namespace luna
