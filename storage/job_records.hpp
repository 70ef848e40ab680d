#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/tensor_block.hpp"
#include "storage/job_types.hpp"
#include "storage/log_format.hpp"

/// The payloads of the log's records. The layouts are on disk: a field may be added only with a new
/// format number, or, as `target` and the images' details, at the end and only where there are any:
/// without them the bytes are what they always were. What came later stands behind these in
/// additions, each a tag and its bytes; a tag that is not known is skipped.
namespace luna::storage {

/// An image as the accepted record has it.
struct accepted_image {
  file_name name;
  dtype type = dtype::u8;
  std::vector<int64_t> shape;
  std::string detail;
  std::optional<name_request> wanted = {}; ///< what the name was made of; older records lack it

  friend bool operator==(const accepted_image&, const accepted_image&) = default;
};

struct accepted_record {
  static constexpr auto kind = record_kind::accepted;

  std::string id;
  std::string key;
  time_point created{};
  int8_t priority = 0;
  sha256_digest digest{}; ///< of task and pixels
  std::string task;
  std::string plan;
  std::vector<accepted_image> images;
  std::string target; ///< empty: folders

  friend bool operator==(const accepted_record&, const accepted_record&) = default;
};

struct started_record {
  static constexpr auto kind = record_kind::started;
  std::string id;
  friend bool operator==(const started_record&, const started_record&) = default;
};

struct publishing_record {
  static constexpr auto kind = record_kind::publishing;
  std::string id;
  uint32_t image = 0;
  file_name name;
  std::string temporary;
  file_identity identity;
  std::string renamed_from = {}; ///< image_status::renamed_from
  friend bool operator==(const publishing_record&, const publishing_record&) = default;
};

struct image_done_record {
  static constexpr auto kind = record_kind::image_done;
  std::string id;
  uint32_t image = 0;
  image_state state = image_state::done;
  std::string detail;
  friend bool operator==(const image_done_record&, const image_done_record&) = default;
};

/// What a job is besides its task and its pixels.
struct snapshot_record {
  static constexpr auto kind = record_kind::snapshot;

  struct image {
    file_name name;
    image_state state = image_state::waiting;
    std::string error;
    std::string detail;
    std::optional<file_identity> recorded;
    std::string renamed_from = {};
    friend bool operator==(const image&, const image&) = default;
  };

  std::string id;
  std::string key;
  sha256_digest digest{};
  job_state state = job_state::queued;
  uint32_t attempts = 0;
  uint32_t interruptions = 0;
  bool cancel_requested = false;
  pixel_state pixels = pixel_state::kept;
  time_point created{};
  time_point ended{};
  time_point next_attempt{};
  std::string error;
  std::string detail;
  std::vector<image> images;
  std::string target; ///< empty: folders

  friend bool operator==(const snapshot_record&, const snapshot_record&) = default;
};

struct forgotten_record {
  static constexpr auto kind = record_kind::forgotten;
  std::string id;
  friend bool operator==(const forgotten_record&, const forgotten_record&) = default;
};

using job_record = std::variant<accepted_record, started_record, publishing_record,
                                image_done_record, snapshot_record, forgotten_record>;

std::string encode(const accepted_record& x);
std::string encode(const started_record& x);
std::string encode(const publishing_record& x);
std::string encode(const image_done_record& x);
std::string encode(const snapshot_record& x);
std::string encode(const forgotten_record& x);

/// Nothing if the kind is unknown or the bytes are no such record.
std::optional<job_record> decode_record(uint16_t kind, std::string_view payload);

/// The job that a record is about.
const std::string& job_of(const job_record& record);

} // namespace luna::storage
