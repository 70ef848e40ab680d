#pragma once

#include <any>
#include <cstdint>
#include <filesystem>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/model_kind.hpp"
#include "base/result.hpp"

namespace luna::models {

/// A model file as the directory of the node saw it. A file of which any of this has changed since
/// is another model: sizes and times alone are equal after `cp -p` and `mv` over it.
struct model_file {
  std::filesystem::path path;
  uint64_t bytes = 0;
  int64_t modified_ns = 0; ///< since 1970, the file system's time
  uint64_t inode = 0;
  int64_t changed_ns = 0; ///< of the inode (ctime), since 1970: no program sets it

  friend bool operator==(const model_file&, const model_file&) = default;
};

/// The file as it is now; `unknown_model` if it is not there.
result<model_file> stat_model_file(const std::filesystem::path& path);

struct family; // models/family.hpp

/// What is known of a model before its weights are read.
struct model_facts {
  model_kind kind = model_kind::text;
  std::string family; ///< ours: "clip_l", "clip_g", "sdxl", "taesd", "taef2"
  std::string type;   ///< text: ComfyUI's type name, "stable_diffusion" or "sdxl"

  /// Text: the keys of a token dictionary, "l", "g", ... in ComfyUI's order.
  std::vector<std::string> token_keys;
  int layers = 0;     ///< text: of the deepest tower
  int cond_width = 0; ///< text: D of cond [1, T, D]

  int latent_channels = 0; ///< VAE
  int latent_dim = 0;      ///< spatial dimensions of a latent: 2
  int downscale_ratio = 0; ///< pixels per latent, encode
  int upscale_ratio = 0;   ///< pixels per latent, decode
  int output_channels = 0;

  /// Names as ComfyUI's cond_stage_model.state_dict() (text) has them: what LoRA keys map to.
  std::vector<std::string> weight_keys;

  /// Bytes that the weights take in memory once they are loaded at precision "exact".
  uint64_t weight_bytes = 0;

  /// Whose model it is: checks its requests and loads it. Null: nobody's.
  const models::family* served_by = nullptr;

  /// What that family knows of it besides, of a type of its own (clip_facts, kl_facts, ...).
  std::any own;
};

/// "sha256:<64 hex>" of the whole file; of several files: of their digests (32 bytes each), in
/// order. Reads every byte: seconds for gigabytes. @returns `unavailable` for a file that is no
/// longer the one that was listed.
result<std::string> hash_model(std::span<const model_file> files, std::stop_token stop = {});

} // namespace luna::models
