#pragma once

#include <any>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/loaded_model.hpp"
#include "models/run_context.hpp"
#include "models/weights/checkpoint.hpp"
#include "models/weights/weight_names.hpp"

namespace luna::models {

/// Names of the tensors of one block.
struct clip_block_names {
  std::string norm1; ///< of "<norm1>.weight" and "<norm1>.bias"
  std::string norm2;
  std::vector<linear_names> qkv; ///< stacked, they are the rows of q, k and v
  std::vector<linear_names> out;
  std::vector<linear_names> fc1;
  std::vector<linear_names> fc2;
};

/// Where a CLIP text tower lies among a model's files, and how its tensors are named there:
/// transformers' way ("encoder.layers.0.mlp.fc1") or OpenCLIP's
/// ("transformer.resblocks.0.mlp.c_fc").
struct clip_place {
  size_t file = 0;    ///< index of the file
  std::string key;    ///< "l" or "g", as in token dictionaries
  std::string prefix; ///< of all names but the projection's; empty, or ends with a dot
  bool openclip = false;
  int layers = 0;         ///< blocks: 12 of "l", 32 of "g", whether the file has them all or not
  std::string projection; ///< name of the pooled output's projection; empty: the file has none
  bool projection_is_transposed = false; ///< [D, P], OpenCLIP's bare tensor

  std::string token_embedding() const;    ///< [49408, D]
  std::string position_embedding() const; ///< [T, D]
  std::string final_norm() const;         ///< of ".weight" and ".bias"
  clip_block_names block(int number) const;
};

/// The towers of a text model and what ComfyUI does with them.
struct clip_model {
  std::string family;             ///< "clip_l" (SD1.5), "clip_g" (SDXL's refiner), "sdxl"
  std::vector<clip_place> towers; ///< in the order of the token keys
};

/// How the answer of a family comes from its towers.
struct clip_rules {
  int layer = 0;            ///< unless the request names one; 0: the last, through the final norm
  bool norm_hidden = false; ///< whether a hidden layer goes through the final norm, too
  bool projected = false;   ///< whether the pooled output (of the last tower) is projected
};

/// The rules of a `clip_model::family`.
clip_rules rules_of(std::string_view family);

/// Finds the towers: in a checkpoint of SD1.5, SDXL or its refiner, in a file of its own under
/// either naming, or in two files, a CLIP-L and a CLIP-G in any order, which make SDXL's pair.
/// @returns `unsupported_model` for other towers and combinations.
result<clip_model> find_clip_model(std::span<const checkpoint> files);

/// One tower of a text model.
struct clip_tower_facts {
  std::string key; ///< of its tokens: "l", "g"
  int layers = 0;
  int width = 0; ///< hidden size
  int heads = 0;
  int inner = 0; ///< rows of the MLP's first linear
  int vocabulary = 0;
  int positions = 0;       ///< rows of the position embedding: tokens of a chunk
  int projection = 0;      ///< width of the projected pooled output; 0: not projected
  int pad = 0;             ///< token after the end token
  bool quick_gelu = false; ///< the MLP's activation; else GELU
};

/// `model_facts::own` of a CLIP model: one a key, in the order of the token keys.
using clip_facts = std::vector<clip_tower_facts>;

/// @pre the facts are of a CLIP model.
inline const clip_facts& towers_of(const model_facts& facts) {
  return *std::any_cast<clip_facts>(&facts.own);
}

/// Checks every tensor of the model's towers, and that ComfyUI reads such a file under that type.
result<model_facts> describe_clip(std::span<const checkpoint> files, std::string_view type);

/// The weights of a CLIP model; see load_model.
result<std::unique_ptr<loaded_model>> load_clip(std::span<const model_file> files,
                                                const model_facts& facts,
                                                const load_options& options,
                                                const run_context& context);

/// SD1.5's CLIP-L, SDXL's pair and its refiner's CLIP-G.
extern const family clip_family;

} // namespace luna::models
