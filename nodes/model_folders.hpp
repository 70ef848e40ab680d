#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "nodes/configuration.hpp"

namespace luna {

/// Where the files of each kind lie: absolute folders, the first that has a name wins.
/// Thread rule: a plain value.
struct model_folders {
  /// Kind -> folders. Kinds are ComfyUI's: see `model_folder_kinds`.
  std::map<std::string, std::vector<std::string>, std::less<>> folders;

  /// The folders of a kind; none for an unknown one.
  const std::vector<std::string>& of(std::string_view kind) const;

  friend bool operator==(const model_folders&, const model_folders&) = default;
};

/// checkpoints, vae, clip, text_encoders, clip_vision, loras, embeddings, vae_approx
const std::vector<std::string>& model_folder_kinds();

/// Reads ComfyUI's extra_model_paths.yaml: sections with `base_path`, `is_default` and a key for
/// each kind whose value has one folder a line. Kinds that luna does not use are skipped.
/// @param base folder of the file: relative paths count from it.
/// @returns kind -> folders, the sections with `is_default` first; `bad_request` with the line
/// otherwise.
result<model_folders> parse_extra_model_paths(const std::string& yaml,
                                              const std::filesystem::path& base,
                                              const std::string& file_name);

/// All folders that a configuration names: `<folder>/<kind>` for each of models.folders, then those
/// of extra-model-paths (the sections with `is_default` before all others).
result<model_folders> collect_model_folders(const models_section& models);

} // namespace luna
