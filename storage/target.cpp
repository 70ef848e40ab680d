#include "storage/target.hpp"

#include "storage/job_names.hpp"

namespace luna::storage {

std::string temporary_name(std::string_view job_id, uint32_t image) {
  return ".luna-" + std::string{job_id} + "-" + std::to_string(image) + ".tmp";
}

publish_request request_of(std::string_view job_id, uint32_t image, file_name name,
                           std::string marker) {
  return {std::move(name), temporary_name(job_id, image), is_unique_id(job_id), std::move(marker)};
}

target* target_table::find(const std::string& name) const {
  if (name.empty())
    return folder.get();
  auto i = remote.find(name);
  return i == remote.end() ? nullptr : i->second.get();
}

result<reveal_outcome> publish(target& to, const publish_request& request,
                               std::span<const std::byte> bytes,
                               const std::optional<file_identity>& recorded,
                               const std::function<result<void>(const file_identity&)>& record) {
  if (recorded) {
    auto done = to.is_published(request, *recorded);
    if (!done)
      return fail(done);
    if (*done)
      return reveal_outcome::revealed;
  }
  auto staged = to.write(request, bytes);
  if (!staged)
    return fail(staged);
  auto recording = record(staged->identity);
  auto outcome = recording ? to.reveal(request, *staged) : fail(recording);
  if (!outcome || *outcome != reveal_outcome::revealed)
    to.discard(request, *staged);
  return outcome;
}

} // namespace luna::storage
