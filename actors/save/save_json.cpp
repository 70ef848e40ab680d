#include "actors/save/save_json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace luna {

namespace {

using json = nlohmann::ordered_json;

std::string path_of(const storage::file_name& name) {
  auto path = name.root;
  for (auto* part : {&name.subfolder, &name.filename})
    if (!part->empty())
      path += "/" + *part;
  return path;
}

json image_object(const storage::image_status& image) {
  json x{{"index", image.index}, {"state", storage::to_string(image.state)}};
  if (storage::is_written(image.state))
    x["path"] = path_of(image.name);
  x["subfolder"] = image.name.subfolder;
  x["filename"] = image.name.filename;
  if (!image.renamed_from.empty())
    x["renamed_from"] = image.renamed_from;
  if (image.state == storage::image_state::discarded)
    x["discarded"] = true;
  if (!image.error.empty())
    x["error"] = image.error;
  return x;
}

/// What the intake and the workers say of an image beside its path; an object in any case.
json detail_object(const storage::image_status& image) {
  auto x = json::parse(image.detail, nullptr, false);
  return x.is_object() ? x : json::object();
}

std::string kind_of(const json& detail) {
  return detail.value("kind", "picture");
}

/// What comes of a file that is none of the pictures asked for: its path, or why there is none.
void add_other(json& to, const std::string& key, const storage::image_status& image) {
  if (storage::is_written(image.state))
    to[key] = path_of(image.name);
  else if (!image.error.empty())
    to[key + "_error"] = image.error;
}

/// The pictures of a job; its thumbnails stand with their pictures, its archive with the job.
void add_files(json& job, const std::vector<storage::image_status>& files) {
  auto pictures = json::array();
  for (auto& file : files) {
    auto detail = detail_object(file);
    auto kind = kind_of(detail);
    if (kind == "archive") {
      add_other(job, "archive", file);
    } else if (kind == "thumbnail") {
      if (auto of = detail.value("of", size_t{0}); of < pictures.size())
        add_other(pictures[of], "thumbnail", file);
    } else {
      pictures.push_back(image_object(file));
      pictures.back().update(detail);
    }
  }
  job["images"] = std::move(pictures);
}

/// What became of the pictures of a job that has failed.
std::string_view pictures_of(const storage::job_status& job) {
  return job.pixels == storage::pixel_state::kept ? "kept" : "given_up";
}

/// What a client should know of a job that is saved all the same, from what is said of its
/// pictures.
json warnings_of(const storage::job_status& job) {
  uint64_t non_finite = 0;
  std::set<std::string> left_out;
  for (auto& file : job.images) {
    auto detail = detail_object(file);
    non_finite += detail.value("non_finite", uint64_t{0});
    auto keys = detail.value("left_out", std::vector<std::string>{});
    left_out.insert(keys.begin(), keys.end());
  }
  auto warnings = json::array();
  if (non_finite > 0)
    warnings.push_back(
      {{"code", "non_finite"},
       {"message", std::to_string(non_finite)
                     + " values of the pictures are NaN or infinite; they are saved "
                       "as ComfyUI saves them, NaN as black"},
       {"count", non_finite}});
  if (!left_out.empty()) {
    std::string names;
    for (auto& key : left_out)
      names += (names.empty() ? "'" : ", '") + key + "'";
    warnings.push_back(
      {{"code", "metadata"},
       {"message", "the files cannot hold the texts of these keys, they are left out: " + names},
       {"count", left_out.size()}});
  }
  return warnings;
}

void add_warnings(json& to, const storage::job_status& job) {
  if (auto warnings = warnings_of(job); !warnings.empty())
    to["warnings"] = std::move(warnings);
}

json job_object(const storage::job_status& job) {
  json x{{"job_id", job.id},
         {"state", storage::to_string(job.state)},
         {"progress", job.progress()},
         {"attempts", job.attempts}};
  if (!job.target.empty())
    x["target"] = job.target;
  if (job.eta)
    x["eta_ms"] = job.eta->count();
  if (!job.error.empty())
    x["error"] = job.error;
  if (job.state == storage::job_state::failed)
    x["pictures"] = pictures_of(job);
  add_warnings(x, job);
  add_files(x, job.images);
  return x;
}

/// A lane as get_status tells of it: a remote target by its name, the folders by their path.
json lane_object(const storage::lane_status& lane, storage::time_point now) {
  json x{{"target", lane.remote ? lane.name : "folder"}};
  if (!lane.remote)
    x["folder"] = lane.name;
  x["state"] = lane.problem.empty() ? "up" : "away";
  x["queued"] = lane.queued;
  x["running"] = lane.running;
  if (lane.bytes_per_s > 0)
    x["bytes_per_s"] = static_cast<uint64_t>(lane.bytes_per_s);
  if (!lane.problem.empty()) {
    x["error"] = lane.problem;
    x["retry_ms"] = std::max<int64_t>((lane.retry_at - now).count(), 0);
  }
  return x;
}

/// Names and errors may hold bytes that are no UTF-8 (a folder on disk, say): shown, not thrown.
std::string dump(const json& x) {
  return x.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace

std::string job_json(const storage::job_status& job, std::optional<bool> changed) {
  auto x = job_object(job);
  if (changed)
    x["changed"] = *changed;
  return dump(x);
}

std::string job_event_json(const storage::job_status& job) {
  json x{{"event", "job"}};
  x.update(job_object(job));
  return dump(x);
}

std::string job_list_json(const std::vector<storage::job_status>& jobs) {
  json x{{"jobs", json::array()}};
  for (auto& job : jobs)
    x["jobs"].push_back(job_object(job));
  return dump(x);
}

std::string submit_json(const storage::job_status& job, size_t queued, bool durable) {
  json x{
    {"success", true}, {"job_id", job.id}, {"images", 0}, {"queued", queued}, {"durable", durable}};
  if (!durable)
    x["note"] =
      "a power cut within the next moments would lose this job; the end of luna-node would not";
  x["files"] = json::array();
  for (auto& image : job.images)
    if (kind_of(detail_object(image)) == "picture")
      x["files"].push_back({{"index", image.index},
                            {"subfolder", image.name.subfolder},
                            {"filename", image.name.filename}});
  x["images"] = x["files"].size();
  add_warnings(x, job);
  return dump(x);
}

std::string counters_json(const storage::store_counters& x, size_t workers,
                          storage::time_point now) {
  json y{{"queued", x.queued},
         {"running", x.running},
         {"done", x.done},
         {"failed", x.failed},
         {"cancelled", x.cancelled},
         {"workers", workers},
         {"spool_bytes", x.spool_bytes},
         {"spool_limit", x.spool_limit},
         {"disk_bytes", x.disk_bytes},
         {"failed_bytes", x.failed_bytes},
         {"failed_limit", x.failed_limit},
         {"given_up", x.given_up},
         {"max_jobs", x.max_jobs},
         {"damages", x.damages},
         {"commits", x.commits}};
  y["targets"] = json::array();
  for (auto& lane : x.lanes)
    y["targets"].push_back(lane_object(lane, now));
  if (!x.problem.empty())
    y["problem"] = x.problem;
  return dump(y);
}

} // namespace luna
