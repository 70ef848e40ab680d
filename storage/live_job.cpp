#include "storage/live_job.hpp"

#include "storage/promised_names.hpp"

namespace luna::storage {

live_job make_live(const accepted_record& record, uint64_t spool_bytes) {
  live_job job;
  job.status.id = record.id;
  job.status.key = record.key;
  job.status.created = record.created;
  job.status.next_attempt = record.created;
  job.status.target = record.target;
  for (auto& image : record.images) {
    auto index = static_cast<uint32_t>(job.status.images.size());
    job.status.images.push_back({index, image_state::waiting, image.name, {}, image.detail});
    job.wanted.push_back(image.wanted);
  }
  job.priority = record.priority;
  job.digest = record.digest;
  job.recorded.resize(record.images.size());
  job.spool_bytes = job.lane_bytes = spool_bytes;
  return job;
}

name_request wanted_of(const live_job& job, uint32_t image) {
  if (image < job.wanted.size() && job.wanted[image])
    return *job.wanted[image];
  auto& name = job.status.images.at(image).name;
  auto stem = std::string{stem_of(name.filename)};
  auto extension = name.filename.substr(stem.size());
  return {name.root, name.subfolder, stem, extension, collision_rule::rename, {}};
}

snapshot_record make_snapshot(const live_job& job) {
  snapshot_record x;
  x.id = job.status.id;
  x.key = job.status.key;
  x.digest = job.digest;
  x.state = job.status.state;
  x.attempts = job.status.attempts;
  x.interruptions = job.interruptions;
  x.cancel_requested = job.cancel_requested;
  x.pixels = job.status.pixels;
  x.created = job.status.created;
  x.ended = job.status.ended;
  x.next_attempt = job.status.next_attempt;
  x.error = job.status.error;
  x.detail = job.status.detail;
  x.target = job.status.target;
  for (auto& image : job.status.images)
    x.images.push_back({image.name, image.state, image.error, image.detail,
                        job.recorded[image.index], image.renamed_from});
  return x;
}

tl::unexpected<failure> unknown_job(const std::string& id) {
  return fail(ec::unknown_job, "there is no job " + id + "; ended jobs are remembered for a while");
}

job_status status_of(const snapshot_record& record) {
  job_status x;
  x.id = record.id;
  x.key = record.key;
  x.state = record.state;
  x.attempts = record.attempts;
  x.pixels = record.pixels;
  x.error = record.error;
  x.detail = record.detail;
  x.created = record.created;
  x.ended = record.ended;
  x.next_attempt = record.next_attempt;
  x.target = record.target;
  for (auto& image : record.images) {
    auto index = static_cast<uint32_t>(x.images.size());
    x.images.push_back(
      {index, image.state, image.name, image.error, image.detail, image.renamed_from});
  }
  return x;
}

void apply_snapshot(live_job& job, const snapshot_record& record) {
  job.status = status_of(record);
  job.digest = record.digest;
  job.interruptions = record.interruptions;
  job.cancel_requested = record.cancel_requested;
  job.recorded.clear();
  for (auto& image : record.images)
    job.recorded.push_back(image.recorded);
}

} // namespace luna::storage
