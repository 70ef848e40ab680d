#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_block.hpp"
#include "imaging/save_names.hpp"
#include "imaging/save_task.hpp"

namespace luna::imaging {

/// What a job is going to write, and how each of its files is made.
///
/// The problem: names, gates and the time are settled once, when the job is accepted, while the
/// files are encoded later, perhaps by another process after a crash. So what was settled is kept
/// with the job as text.
///
/// Thread rule: plain values and free functions without state, any thread.

enum class file_kind : uint8_t {
  picture,
  thumbnail, ///< of the picture `of`: WebP
  archive    ///< ZIP of all pictures that were not discarded
};

/// What one file of a job is.
struct file_role {
  file_kind kind = file_kind::picture;
  image_format format = image_format::png;
  std::string affix;
  int64_t batch_index = 0;
  uint32_t of = 0;                   ///< index of a thumbnail's picture
  std::optional<double> score;       ///< if a quality gate judged it
  bool discarded = false;            ///< the gate put it aside
  uint64_t non_finite = 0;           ///< values that were NaN or infinite
  std::vector<std::string> left_out; ///< keys of the text that its format cannot hold

  friend bool operator==(const file_role&, const file_role&) = default;
};

/// The roles of all files of a job, by index, and the time that their names and texts tell.
struct save_roles {
  timestamp time;
  std::vector<file_role> files;

  friend bool operator==(const save_roles&, const save_roles&) = default;
};

/// For the job's record: JSON.
std::string to_text(const save_roles& roles);

/// Reads `to_text`. Without a text (a job of an older luna) all files are plain pictures.
/// @returns `internal` for anything that `to_text` does not write.
result<save_roles> parse_roles(std::string_view text, const save_task& task, size_t files);

/// One file of a job before it is accepted.
struct planned_file {
  file_role role;
  image_plan place;
  tensor_block pixels; ///< as they are to be kept; of an archive u8 [0]
};

struct save_plan {
  timestamp time;
  std::vector<planned_file> files; ///< pictures, then thumbnails, then the archive

  save_roles roles() const;
};

/// Plans a job: names, quality gates, thumbnails, the archive. Errors as `resolve_names`.
result<save_plan> plan_save(const save_task& task, std::span<const named_tensor> tensors,
                            std::chrono::system_clock::time_point now,
                            const std::vector<std::string>& allowed);

/// Encodes a picture or a thumbnail of a job. @param pixels as they were kept.
result<picture_bytes> encode_file(const save_task& task, const save_roles& roles, size_t index,
                                  const tensor_block& pixels);

/// What the result of a file tells beyond its path: a JSON object, or "" if there is nothing.
/// @param left_out keys that the encoder found no room for.
std::string detail_of(const file_role& role, const std::vector<std::string>& left_out);

} // namespace luna::imaging
