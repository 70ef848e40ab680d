#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor_block.hpp"

/// The plain values of a save job: what goes in, what is known of it, what came out.
namespace luna::storage {

/// Wall clock time of the save queue: unix time in milliseconds, so it can be written to disk.
using time_point = std::chrono::sys_time<std::chrono::milliseconds>;

using sha256_digest = std::array<std::byte, 32>;

enum class job_state : uint8_t { queued, running, done, failed, cancelled };

/// The wire names: "queued", "running", "done", "failed", "cancelled".
std::string_view to_string(job_state state);
std::optional<job_state> job_state_of(std::string_view name);

/// done, failed and cancelled.
constexpr bool is_ended(job_state state) {
  return state >= job_state::done;
}

enum class image_state : uint8_t {
  waiting,    ///< nothing visible yet
  publishing, ///< complete in a temporary file, about to get its name
  done,       ///< has its name, durable
  discarded,  ///< done, but a quality gate put it elsewhere
  failed,
  cancelled,
};

std::string_view to_string(image_state state);

constexpr bool is_written(image_state state) {
  return state == image_state::done || state == image_state::discarded;
}

/// Whether the pixels of a job that is not written can still be had.
enum class pixel_state : uint8_t {
  kept,
  damaged,  ///< the log does not give them back
  given_up, ///< to make room for other jobs
};

/// What happens when the wanted name is taken.
enum class collision_rule : uint8_t {
  rename,    ///< _2, _3, ... before the extension
  overwrite, ///< the file is replaced
  fail,      ///< the job is refused
};

/// ComfyUI's counter: `stem_00012_.png` where 12 is above all numbers in the folder and above all
/// that are promised.
struct counter_rule {
  uint32_t digits = 5;
  std::string suffix = "_";

  friend bool operator==(const counter_rule&, const counter_rule&) = default;
};

/// The name that one image wants; the templates are filled in already.
struct name_request {
  std::string root;      ///< an allowed folder, absolute, trusted
  std::string subfolder; ///< relative to root with "/", may be empty
  std::string stem;      ///< without extension
  std::string extension; ///< with its dot, ".png"
  collision_rule collision = collision_rule::rename;
  std::optional<counter_rule> counter;

  friend bool operator==(const name_request&, const name_request&) = default;
};

/// The name that one image got. It changes only when somebody else took it before the image was
/// there, and its rule allows another.
struct file_name {
  std::string root;
  std::string subfolder;
  std::string filename; ///< with extension
  bool overwrite = false;

  friend bool operator==(const file_name&, const file_name&) = default;
};

/// A file's identity as written in a `publishing` record: what must all be the same for a file, or
/// an object, to be the one that was recorded.
struct file_identity {
  uint64_t inode = 0;
  uint64_t size = 0;
  sha256_digest digest{};
  uint64_t device = 0;     ///< file_info::device; 0: not known, and not compared
  std::string upload = {}; ///< of an object that goes in parts: the id of its upload

  friend bool operator==(const file_identity&, const file_identity&) = default;
};

struct new_image {
  name_request name;
  tensor_block pixels;
  std::string detail = {}; ///< image_status::detail until a worker reports another, or empty
};

/// A job as the caller hands it in.
struct new_job {
  std::string key; ///< at most 200 bytes, empty for none

  /// The task as the client sent it. With the pixels it decides whether a key is used again for
  /// the same task, so nothing that depends on the moment may be in it.
  std::string task;

  /// What the caller worked out once and needs again for each attempt (timestamp, formats, text
  /// chunks): opaque, kept with the job, not part of the comparison.
  std::string plan;

  int8_t priority = 0; ///< -1, 0, 1: higher first
  std::vector<new_image> images;

  /// A remote target of the configuration; empty: the folders, below each image's root.
  std::string target;

  /// May be acknowledged before it is durable: `accept` says whether that holds.
  bool fast = false;

  /// For a remote target: the names that stand in its folders already, as far as the images' own
  /// could meet them. A folder that is absent here could not be asked.
  std::map<std::string, std::vector<std::string>> names_there; ///< by subfolder
};

struct image_status {
  uint32_t index = 0;
  image_state state = image_state::waiting;
  file_name name;
  std::string error;  ///< why it failed, or empty
  std::string detail; ///< what the worker reported (a JSON object: thumbnail, score), or empty

  /// The name that was promised, if somebody else took it: `name` is another one then.
  std::string renamed_from = {};
};

struct job_status {
  std::string id;
  std::string key;
  job_state state = job_state::queued;
  uint32_t attempts = 0; ///< those that ran to an end, plus the one that runs
  std::string error;     ///< of the last attempt, or empty
  std::string detail;    ///< what the worker reported for the whole job (archive), or empty
  time_point created{};
  time_point ended{};                           ///< epoch while it is not ended
  time_point next_attempt{};                    ///< when a queued job is due
  pixel_state pixels = pixel_state::kept;       ///< of a failed job: anything else, no retry
  std::string target;                           ///< a remote one, or empty: folders
  std::optional<std::chrono::milliseconds> eta; ///< of a queued or running job, where it is known
  std::vector<image_status> images;

  /// Share of the images that are written, 0..1.
  double progress() const;
};

/// A job after a request to change it.
struct job_change {
  job_status job;
  bool changed = false; ///< false: it was so already, or is finished
};

/// What `accept` answers.
struct accepted {
  job_status job;
  bool known = false; ///< an earlier job with the same key and task

  /// The caller may be told at once: it asked for `fast`, and the log is sound. What that costs: a
  /// power cut before the next commit takes the job away. The end of the process does not.
  bool at_once = false;
};

} // namespace luna::storage
