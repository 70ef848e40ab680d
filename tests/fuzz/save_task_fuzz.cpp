// A save task from a client: its JSON, templates, names and texts, and pictures of any size.
// Nothing may be planned outside of the allowed folder, what was planned must come back from its
// record, and every file must be made or refused.

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "imaging/save_plan.hpp"

using namespace luna;
using namespace luna::imaging;

namespace {

constexpr size_t head_bytes = 4;

void require(bool holds) {
  if (!holds)
    std::abort();
}

/// [height, width, channels] or a batch of two, from four bytes; the pixels are the text's.
tensor_block picture_of_input(const uint8_t* head, std::string_view text) {
  const int64_t height = 1 + head[0] % 40, width = 1 + head[1] % 40;
  const int64_t channels = std::vector<int64_t>{1, 3, 4}[head[2] % 3];
  const int64_t count = 1 + head[3] % 2;
  const bool floats = head[3] & 2;
  const auto n = static_cast<size_t>(count * height * width * channels) * (floats ? 4 : 1);
  std::vector<std::byte> bytes(n);
  for (size_t i = 0; i < n && !text.empty(); ++i)
    bytes[i] = static_cast<std::byte>(text[i % text.size()]);
  return tensor_block::copy_of(floats ? dtype::f32 : dtype::u8, {count, height, width, channels},
                               bytes);
}

void require_inside(const image_plan& place, const std::string& allowed) {
  const auto inside = allowed == "/" ? allowed : allowed + "/";
  require(place.root == allowed || place.root.starts_with(inside));
  require(place.stem.find_first_of("/\\") == std::string::npos && place.stem != "..");
  std::istringstream parts{place.subfolder};
  for (std::string part; std::getline(parts, part, '/');)
    require(!part.empty() && part != "." && part != ".." && part.find('\0') == std::string::npos);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < head_bytes)
    return 0;
  const std::string_view text{reinterpret_cast<const char*>(data) + head_bytes, size - head_bytes};
  const auto parsed = nlohmann::ordered_json::parse(text, nullptr, false);
  if (parsed.is_discarded())
    return 0;
  const auto task = parse_save_task(parsed);
  if (!task)
    return 0;
  std::vector<named_tensor> body;
  for (const auto& image : task->images)
    body.push_back({image.tensor, picture_of_input(data, text)});
  const std::string allowed = data[3] & 4 ? "/" : "/out"; // the first as for a remote target
  const auto plan = plan_save(*task, body, {}, {allowed});
  if (!plan)
    return 0;
  const auto roles = plan->roles();
  const auto again = parse_roles(to_text(roles), *task, roles.files.size());
  require(again && *again == roles);
  for (size_t i = 0; i < plan->files.size(); ++i) {
    const auto& file = plan->files[i];
    require_inside(file.place, allowed);
    if (file.role.kind == file_kind::archive || i >= 4)
      continue;
    const auto made = encode_file(*task, roles, i, file.pixels);
    require(made ? !made->file.empty() : !made.error().message.empty());
  }
  return 0;
}
