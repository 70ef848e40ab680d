#include "storage/target.hpp"

namespace luna::storage {

std::string temporary_name(std::string_view job_id, uint32_t image) {
  return ".luna-" + std::string{job_id} + "-" + std::to_string(image) + ".tmp";
}

target* target_table::find(const std::string& name) const {
  if (name.empty())
    return folder.get();
  auto i = remote.find(name);
  return i == remote.end() ? nullptr : i->second.get();
}

result<void> publish(target& to, const publish_request& request, std::span<const std::byte> bytes,
                     const std::optional<file_identity>& recorded,
                     const std::function<result<void>(const file_identity&)>& record) {
  if (recorded) {
    auto done = to.is_published(request, *recorded);
    if (!done)
      return fail(done);
    if (*done)
      return {};
  }
  auto staged = to.write(request, bytes);
  if (!staged)
    return fail(staged);
  auto outcome = record(staged->identity);
  if (outcome)
    outcome = to.reveal(request, *staged);
  if (!outcome)
    to.discard(request, *staged);
  return outcome;
}

} // namespace luna::storage
