#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "imaging/metadata.hpp"
#include "imaging/picture_file.hpp"
#include "imaging/quality_gate.hpp"
#include "imaging/templates.hpp"

namespace luna::imaging {

/// What a client asks for with `submit_async(save_images_async)`: the `task_data` of
/// docs/protocol.md, section 6, checked, with every default filled in.
///
/// The problem: a job that cannot be done must be refused while the client still holds the
/// pictures, so everything is checked at once and nothing is guessed. An unknown field is
/// `bad_request`; `null` counts as left out.
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
  std::string target = "folder"; ///< or a name of the configuration's targets
  quality_gate gate = quality_gate::disabled;
  double least_quality = 0.3; ///< "min_quality_threshold"
  encoder_options encoding;
  metadata_fields metadata;
  std::optional<int64_t> thumbnail;   ///< its longest side, in pixels
  std::optional<std::string> archive; ///< its name, templates not filled in
  bool fast_durability = false;       ///< "durability": "fast"
  int priority = 0;                   ///< -1, 0, 1

  std::vector<save_image> images; ///< at least one
};

/// Reads and checks a whole `task_data`.
/// @returns `bad_request` that names the field, what was expected and, for an unknown field, the
/// nearest.
result<save_task> parse_save_task(const nlohmann::ordered_json& task_data);

} // namespace luna::imaging
