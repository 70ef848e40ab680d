#include "models/text/clip_layout.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "models/tokenizers/clip_bpe.hpp"

namespace luna::models {

namespace {

constexpr std::string_view sdxl_l = "conditioner.embedders.0.transformer.text_model.";
constexpr std::string_view sdxl_g = "conditioner.embedders.1.model.";
constexpr std::string_view refiner_g = "conditioner.embedders.0.model.";

constexpr int blocks_of_l = 12;
constexpr int blocks_of_h = 24;
constexpr int blocks_of_g = 32;

auto unsupported(const checkpoint& file, std::string what) {
  return fail(ec::unsupported_model, "the text encoder in " + file.title() + " " + std::move(what));
}

std::string blocks_of(const clip_place& place) {
  return place.prefix + (place.openclip ? "transformer.resblocks." : "encoder.layers.");
}

std::string numbered(const clip_place& place, int number) {
  return blocks_of(place) + std::to_string(number) + ".";
}

/// The tower under that prefix, with as many blocks as the file's names count to, or nothing.
std::optional<clip_place> tower_at(const checkpoint& file, std::string_view prefix, bool openclip,
                                   std::string key) {
  clip_place place;
  place.key = std::move(key);
  place.prefix = prefix;
  place.openclip = openclip;
  place.layers = file.numbered(blocks_of(place));
  if (place.layers == 0)
    return std::nullopt;
  // transformers' projection stands beside "text_model.", OpenCLIP's beside the tower's tensors.
  std::string beside{prefix};
  if (!openclip && beside.ends_with("text_model."))
    beside.resize(beside.size() - std::string_view{"text_model."}.size());
  if (file.has(beside + "text_projection.weight")) {
    place.projection = beside + "text_projection.weight";
  } else if (file.has(beside + "text_projection")) {
    place.projection = beside + "text_projection";
    place.projection_is_transposed = true;
  }
  return place;
}

/// The tower with all the blocks that its kind has: one that the file lacks is missed when the
/// tensors are checked, wherever it stands.
result<clip_place> with_depth(const checkpoint& file, clip_place place) {
  auto depth = place.key == "l" ? blocks_of_l : blocks_of_g;
  if (place.layers > depth)
    return unsupported(file, "has " + std::to_string(place.layers) + " blocks, a CLIP-"
                               + (place.key == "l" ? "L" : "G") + " has " + std::to_string(depth));
  place.layers = depth;
  return place;
}

/// The tower of a file that holds nothing else. Its depth says what it is; ComfyUI looks for the
/// last block but one.
result<clip_place> single_tower(const checkpoint& file) {
  auto place = tower_at(file, "text_model.", false, "l");
  if (!place)
    place = tower_at(file, "", true, "l");
  if (!place)
    return unsupported(file, "is no CLIP text tower");
  if (place->layers >= blocks_of_g - 1)
    place->key = "g";
  else if (place->layers >= blocks_of_h - 1)
    return unsupported(file, "is a CLIP-H (SD2), which this build does not serve");
  return with_depth(file, *place);
}

result<clip_place> tower_of_checkpoint(const checkpoint& file,
                                       std::span<const std::string_view> prefixes, bool openclip,
                                       const std::string& key) {
  for (auto prefix : prefixes)
    if (auto place = tower_at(file, prefix, openclip, key))
      return with_depth(file, *place);
  return fail(ec::bad_model_file, "the model file " + file.title() + " is broken: there is no CLIP-"
                                    + std::string{key == "l" ? "L" : "G"} + " tower under '"
                                    + std::string{prefixes.front()} + "'");
}

result<clip_model> model_of(std::string family, std::vector<result<clip_place>> places) {
  clip_model model;
  model.family = std::move(family);
  for (auto& place : places) {
    if (!place)
      return fail(place);
    model.towers.push_back(std::move(*place));
  }
  return model;
}

result<clip_model> find_in_one(const checkpoint& file) {
  if (file.has_prefix(sdxl_g))
    return model_of("sdxl", {tower_of_checkpoint(file, {{sdxl_l}}, false, "l"),
                             tower_of_checkpoint(file, {{sdxl_g}}, true, "g")});
  if (file.has_prefix(refiner_g))
    return model_of("clip_g", {tower_of_checkpoint(file, {{refiner_g}}, true, "g")});
  if (file.has_prefix("cond_stage_model.transformer.")) {
    static constexpr std::array<std::string_view, 2> prefixes{
      "cond_stage_model.transformer.text_model.", "cond_stage_model.transformer."};
    return model_of("clip_l", {tower_of_checkpoint(file, prefixes, false, "l")});
  }
  auto place = single_tower(file);
  if (!place)
    return fail(place);
  return model_of("clip_" + place->key, {place});
}

result<clip_model> find_in_two(std::span<const checkpoint> files) {
  clip_model model;
  model.family = "sdxl";
  for (size_t i = 0; i < files.size(); ++i) {
    auto place = single_tower(files[i]);
    if (!place)
      return fail(place);
    place->file = i;
    model.towers.push_back(std::move(*place));
  }
  auto& towers = model.towers;
  if (towers[0].key == towers[1].key)
    return fail(ec::unsupported_model, "both " + files[0].title() + " and " + files[1].title()
                                         + " hold a CLIP-" + (towers[0].key == "l" ? "L" : "G")
                                         + "; SDXL needs one CLIP-L and one CLIP-G");
  if (towers[0].key == "g")
    std::swap(towers[0], towers[1]);
  return model;
}

} // namespace

// -- names

std::string clip_place::token_embedding() const {
  return prefix + (openclip ? "token_embedding.weight" : "embeddings.token_embedding.weight");
}

std::string clip_place::position_embedding() const {
  return prefix + (openclip ? "positional_embedding" : "embeddings.position_embedding.weight");
}

std::string clip_place::final_norm() const {
  return prefix + (openclip ? "ln_final" : "final_layer_norm");
}

clip_block_names clip_place::block(int number) const {
  auto at = numbered(*this, number);
  auto linear = [&](const std::string& name) {
    return linear_names{at + name + ".weight", at + name + ".bias"};
  };
  if (openclip)
    return {at + "ln_1",
            at + "ln_2",
            {{at + "attn.in_proj_weight", at + "attn.in_proj_bias"}},
            {linear("attn.out_proj")},
            {linear("mlp.c_fc")},
            {linear("mlp.c_proj")}};
  return {at + "layer_norm1",
          at + "layer_norm2",
          {linear("self_attn.q_proj"), linear("self_attn.k_proj"), linear("self_attn.v_proj")},
          {linear("self_attn.out_proj")},
          {linear("mlp.fc1")},
          {linear("mlp.fc2")}};
}

// -- finding

clip_rules rules_of(std::string_view family) {
  if (family == "clip_l")
    return {0, true, false};
  return {-2, false, true}; // sdxl, clip_g
}

result<clip_model> find_clip_model(std::span<const checkpoint> files) {
  if (files.size() == 1)
    return find_in_one(files.front());
  if (files.size() == 2)
    return find_in_two(files);
  return fail(ec::unsupported_model,
              "a text encoder of " + std::to_string(files.size())
                + " files is a family that this build does not serve; SDXL has two");
}

} // namespace luna::models
