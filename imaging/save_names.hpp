#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_block.hpp"
#include "imaging/save_task.hpp"

namespace luna::imaging {

/// Where the files of a job go. Thread rule: plain values and free functions, any thread.

/// Where one file goes. What is left open is the number of a counter or a collision: the saving
/// node's store alone knows which names are taken or promised.
struct image_plan {
  uint32_t index = 0;       ///< position among all pictures of the job
  uint32_t entry = 0;       ///< position in `images`
  std::string tensor;       ///< its name in the body
  int64_t row = 0;          ///< its place in the batch
  std::string allowed;      ///< the allowed folder that holds root
  std::string root;         ///< the task's output folder, absolute: `subfolder` counts from here
  std::string subfolder;    ///< relative to root, "" or "a/b", made safe
  std::string discarded_to; ///< the subfolder if a quality gate puts it aside
  std::string stem;         ///< the name without number and extension, made safe
  std::string extension;    ///< without its dot
  collision_mode collision = collision_mode::rename;
  std::optional<counter_spec> counter;

  friend bool operator==(const image_plan&, const image_plan&) = default;
};

/// The folder below save_path that takes what a quality gate puts aside.
inline constexpr std::string_view discarded_folder = "_discarded";

/// The folder beside a picture that takes its thumbnail.
inline constexpr std::string_view thumbnail_folder = "_thumbnails";

/// Resolves the names of all pictures of a job: one plan for each picture of each batch, in order.
/// A batch of more than one adds `_<n>` (from 0) to the stem, unless there is a counter.
/// @param tensors the body; every tensor that `images` names must be there: f32 or u8, [H, W, C] or
/// [B, H, W, C], 1, 3 or 4 channels.
/// @param now for a task without a timestamp.
/// @param allowed absolute folders; nothing is planned outside of them.
/// @returns `not_permitted` for a path that leaves the allowed folders, `bad_request` for a missing
/// or wrong tensor and for names that are too long.
result<std::vector<image_plan>> resolve_names(const save_task& task,
                                              std::span<const named_tensor> tensors,
                                              std::chrono::system_clock::time_point now,
                                              const std::vector<std::string>& allowed);

/// Resolves the name of the job's archive: `<save_path>/<archive>.zip`.
/// @pre task.archive has a value. Errors as above.
result<image_plan> resolve_archive_name(const save_task& task,
                                        std::chrono::system_clock::time_point now,
                                        const std::vector<std::string>& allowed);

/// The plan of a picture's thumbnail, in a folder beside it.
image_plan thumbnail_plan(const image_plan& picture);

} // namespace luna::imaging
