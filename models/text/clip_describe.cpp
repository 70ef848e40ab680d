// What a CLIP text model looks like from outside, and whether its file has all of it.
#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "models/text/clip_layout.hpp"
#include "models/tokenizers/clip_bpe.hpp"
#include "models/weights/quantisation.hpp"

namespace luna::models {

namespace {

constexpr int head_width = 64; ///< of every CLIP text tower
constexpr int64_t max_positions = 4096;

using shape = std::vector<int64_t>;

auto unsupported(const checkpoint& file, std::string what) {
  return fail(ec::unsupported_model, "the text encoder in " + file.title() + " " + std::move(what));
}

result<clip_tower_facts> dimensions_of(const checkpoint& file, const clip_place& place) {
  for (auto& name :
       {place.token_embedding(), place.position_embedding(), place.block(0).fc1.front().weight})
    if (auto ok = file.require(name); !ok)
      return fail(ok);
  auto* tokens = file.find(place.token_embedding());
  auto* positions = file.find(place.position_embedding());
  if (tokens->shape.size() != 2 || positions->shape.size() != 2)
    return fail(ec::bad_model_file,
                "the model file " + file.title() + " is broken: '" + place.token_embedding()
                  + "' or '" + place.position_embedding() + "' is not a table of two dimensions");
  auto width = tokens->shape[1];
  auto inner = file.rows(place.block(0).fc1.front().weight);
  if (tokens->shape[0] != clip_bpe::vocabulary)
    return unsupported(file, "has a vocabulary of " + std::to_string(tokens->shape[0])
                               + " tokens instead of CLIP's 49408");
  if (width <= 0 || width % head_width != 0 || width > 8192 || inner <= 0 || inner > 65536)
    return unsupported(file, "is " + std::to_string(width) + " wide with an MLP of "
                               + std::to_string(inner) + ": no CLIP tower is");
  if (positions->shape[0] < 3 || positions->shape[0] > max_positions)
    return unsupported(file, "has " + std::to_string(positions->shape[0]) + " positions");
  clip_tower_facts facts;
  facts.key = place.key;
  facts.layers = place.layers;
  facts.width = static_cast<int>(width);
  facts.heads = static_cast<int>(width / head_width);
  facts.vocabulary = clip_bpe::vocabulary;
  facts.inner = static_cast<int>(inner);
  facts.positions = static_cast<int>(positions->shape[0]);
  facts.quick_gelu = place.key == "l";
  facts.pad = place.key == "l" ? clip_bpe::end : 0;
  return facts;
}

/// The projection's shape, where the family uses it.
result<void> check_projection(const checkpoint& file, const clip_place& place,
                              clip_tower_facts& facts) {
  if (place.projection.empty())
    return file.require(place.openclip ? place.prefix + "text_projection"
                                       : "text_projection.weight");
  auto* entry = file.find(place.projection);
  if (entry->shape.size() != 2)
    return fail(ec::bad_model_file, "the model file " + file.title() + " is broken: tensor '"
                                      + place.projection + "' is not a matrix");
  auto rows = entry->shape[place.projection_is_transposed ? 1 : 0];
  if (rows <= 0 || rows > 65536)
    return unsupported(file, "projects to " + std::to_string(rows) + " values");
  facts.projection = static_cast<int>(rows);
  return file.expect(place.projection, place.projection_is_transposed ? shape{facts.width, rows}
                                                                      : shape{rows, facts.width});
}

/// Checks tensors and counts their elements.
class inventory {
public:
  explicit inventory(const checkpoint& file) : file_(file) {}

  void take(const std::string& name, const shape& wanted) {
    if (!ok_)
      return;
    ok_ = file_.expect(name, wanted);
    if (ok_)
      values_ += *element_count(wanted);
  }

  void take_norm(const std::string& name, int64_t width) {
    take(name + ".weight", {width});
    take(name + ".bias", {width});
  }

  /// A table that is looked up row by row: stays fp16.
  void take_table(const std::string& name, const shape& wanted) {
    auto before = values_;
    take(name, wanted);
    halves_ += values_ - before;
  }

  /// Layers that are stacked: each has its share of the rows. The weights stay fp16.
  void take_linear(const std::vector<linear_names>& sources, int64_t rows, int64_t columns) {
    auto share = rows / static_cast<int64_t>(sources.size());
    for (auto& x : sources) {
      take_table(x.weight, {share, columns});
      take(x.bias, {share});
    }
  }

  const result<void>& ok() const { return ok_; }

  /// Bytes that what was taken needs in memory.
  uint64_t bytes() const { return 4 * (values_ - halves_) + 2 * halves_; }

private:
  const checkpoint& file_;
  result<void> ok_;
  uint64_t values_ = 0;
  uint64_t halves_ = 0; ///< of them, those that stay fp16
};

/// Checks a tower's tensors. @returns the bytes that they will take.
result<uint64_t> check_tower(const checkpoint& file, const clip_place& place,
                             const clip_tower_facts& facts) {
  inventory all{file};
  all.take_table(place.token_embedding(), {clip_bpe::vocabulary, facts.width});
  all.take(place.position_embedding(), {facts.positions, facts.width});
  for (int i = 0; i < facts.layers && all.ok(); ++i) {
    auto names = place.block(i);
    all.take_norm(names.norm1, facts.width);
    all.take_norm(names.norm2, facts.width);
    all.take_linear(names.qkv, int64_t{3} * facts.width, facts.width);
    all.take_linear(names.out, facts.width, facts.width);
    all.take_linear(names.fc1, facts.inner, facts.width);
    all.take_linear(names.fc2, facts.width, facts.inner);
  }
  all.take_norm(place.final_norm(), facts.width);
  if (!all.ok())
    return fail(all.ok());
  return all.bytes() + 4 * uint64_t(facts.projection) * uint64_t(facts.width);
}

/// Names as in ComfyUI's cond_stage_model.state_dict(), whatever the file calls them.
void add_weight_keys(const clip_tower_facts& facts, std::vector<std::string>& keys) {
  auto tower = "clip_" + facts.key + ".";
  auto text = tower + "transformer.text_model.";
  keys.push_back(text + "embeddings.token_embedding.weight");
  keys.push_back(text + "embeddings.position_embedding.weight");
  auto add = [&](const std::string& name) {
    keys.push_back(name + ".weight");
    keys.push_back(name + ".bias");
  };
  for (int i = 0; i < facts.layers; ++i)
    for (auto name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                      "self_attn.out_proj", "layer_norm1", "layer_norm2", "mlp.fc1", "mlp.fc2"})
      add(text + "encoder.layers." + std::to_string(i) + "." + name);
  add(text + "final_layer_norm");
  keys.push_back(tower + "transformer.text_projection.weight");
  keys.push_back(tower + "logit_scale");
}

/// A lone CLIP-L is SD1.5's encoder to ComfyUI whatever the type says, a lone CLIP-G the SDXL
/// refiner's, but for these.
result<void> check_type_of_one(const checkpoint& file, std::string_view type) {
  for (std::string_view other : {"sd3", "hidream"})
    if (type == other)
      return fail(ec::unsupported_model, "the type '" + std::string{type}
                                           + "' needs more encoders than " + file.title()
                                           + " has, and this build does not serve it");
  static constexpr std::array<std::string_view, 16> known{
    "",         "stable_diffusion", "sdxl", "flux",          "flux2",  "stable_cascade", "mochi",
    "ltxv",     "lumina2",          "wan",  "hunyuan_video", "chroma", "pixart",         "cosmos",
    "omnigen2", "qwen_image"};
  if (std::find(known.begin(), known.end(), type) == known.end())
    return fail(ec::bad_request, "there is no text encoder type '" + std::string{type}
                                   + "'; for this file 'stable_diffusion' is right");
  return {};
}

result<void> check_type(std::span<const checkpoint> files, std::string_view type) {
  if (files.size() == 1)
    return check_type_of_one(files.front(), type);
  for (std::string_view other : {"", "sdxl", "stable_diffusion"})
    if (type == other)
      return {};
  return fail(ec::unsupported_model,
              "a text encoder of type '" + std::string{type} + "' of "
                + std::to_string(files.size())
                + " files is a family that this build does not serve; 'sdxl' is served");
}

} // namespace

result<model_facts> describe_clip(std::span<const checkpoint> files, std::string_view type) {
  if (auto ok = check_type(files, type); !ok)
    return fail(ok);
  auto model = find_clip_model(files);
  if (!model)
    return fail(model);
  clip_facts towers;
  model_facts facts;
  facts.kind = model_kind::text;
  facts.family = model->family;
  facts.type = model->family == "clip_l" ? "stable_diffusion" : "sdxl";
  for (auto& place : model->towers) {
    auto& file = files[place.file];
    if (auto ok = check_not_quantised(file, place.prefix, "text encoder"); !ok)
      return fail(ok);
    auto tower = dimensions_of(file, place);
    if (!tower)
      return fail(tower);
    if (place.key == "g")
      if (auto ok = check_projection(file, place, *tower); !ok)
        return fail(ok);
    auto bytes = check_tower(file, place, *tower);
    if (!bytes)
      return fail(bytes);
    facts.weight_bytes += *bytes;
    facts.token_keys.push_back(tower->key);
    facts.layers = std::max(facts.layers, tower->layers);
    facts.cond_width += tower->width;
    add_weight_keys(*tower, facts.weight_keys);
    towers.push_back(std::move(*tower));
  }
  facts.own = std::move(towers);
  return facts;
}

} // namespace luna::models
