#pragma once

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "imaging/png.hpp"
#include "imaging/templates.hpp"
#include "messages/result.hpp"
#include "messages/tensor_block.hpp"

namespace luna::imaging {

/// What a client asks for with `submit_async(save_images_async)`: the `task_data` of
/// docs/protocol.md, section 6, checked, with every default filled in.
///
/// The problem: a job that cannot be done must be refused while the client still holds the
/// pictures, so everything is checked at once and nothing is guessed. A field of a part that this
/// build does not have passes at its default and is `bad_request` otherwise; so is an unknown
/// field. `null` counts as left out.
///
/// Thread rule: plain values and free functions without state, any thread.

enum class collision_mode : uint8_t {
  rename,    ///< name_2, name_3, ...
  overwrite, ///< replaces what is there
  fail       ///< the image fails
};

/// Names of the form `<stem>_<number><suffix>.<ext>`, as ComfyUI's SaveImage makes them.
struct counter_spec {
  int digits = 5;
  std::string suffix = "_";

  friend bool operator==(const counter_spec&, const counter_spec&) = default;
};

enum class image_format : uint8_t { png };

/// "png"
std::string_view extension_of(image_format format);

/// The format of a file name's extension (without its dot, case does not count).
std::optional<image_format> format_of_extension(std::string_view extension);

/// One entry of `images`.
struct save_image {
  std::string tensor; ///< its name in the body
  std::string affix;
  image_format format = image_format::png;
  bool subdir = false;
  std::optional<std::string> save_dir; ///< already resolved: no template
  std::optional<std::string> filename; ///< already resolved: no template, no affix
};

struct save_task {
  std::string output_dir; ///< "" = the first allowed folder
  std::string save_path;
  std::string filename; ///< "" = <timestamp>_<model name>
  int64_t filename_index = 0;
  std::string model_name;
  bool templates = true;
  std::optional<counter_spec> counter;
  std::optional<timestamp> time; ///< left out = now
  collision_mode collision = collision_mode::rename;
  png_options png;
  bool embed_workflow = true;
  bool fast_durability = false; ///< "durability": "fast"
  int priority = 0;             ///< -1, 0, 1

  /// The text chunks, in order: prompt, the keys of extra_pnginfo, those of metadata, parameters.
  /// Empty when embed_workflow is false.
  std::vector<text_chunk> text;

  std::vector<save_image> images; ///< at least one
};

/// Reads and checks a whole `task_data`.
/// @returns `bad_request` that names the field, what was expected and, for an unknown field, the
/// nearest.
result<save_task> parse_save_task(const nlohmann::ordered_json& task_data);

/// Where one picture goes. What is left open is the number of a counter or a collision: the saving
/// node's store alone knows which names are taken or promised.
struct image_plan {
  uint32_t index = 0;    ///< position among all pictures of the job
  uint32_t entry = 0;    ///< position in `images`
  std::string tensor;    ///< its name in the body
  int64_t row = 0;       ///< its place in the batch
  std::string allowed;   ///< the allowed folder that holds root
  std::string root;      ///< the task's output folder, absolute: `subfolder` counts from here
  std::string subfolder; ///< relative to root, "" or "a/b", made safe
  std::string stem;      ///< the name without number and extension, made safe
  image_format format = image_format::png;
  collision_mode collision = collision_mode::rename;
  std::optional<counter_spec> counter;

  friend bool operator==(const image_plan&, const image_plan&) = default;
};

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

/// Encodes one picture of a task, with its text chunks.
/// @param picture [H, W, C], f32 in 0..1 or u8.
result<std::vector<std::byte>> encode(const save_task& task, image_format format,
                                      const tensor_block& picture);

} // namespace luna::imaging
