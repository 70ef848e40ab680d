#include "models/clip_layout.hpp"

#include <array>
#include <utility>
#include <vector>

#include "models/clip_bpe.hpp"

namespace luna::models {

namespace {

constexpr int head_width = 64; ///< of every CLIP text tower
constexpr int64_t max_positions = 4096;

auto unsupported(const checkpoint& file, std::string what) {
  return fail(ec::unsupported_model, "the text encoder in " + file.title() + " " + std::move(what));
}

using shape = std::vector<int64_t>;

/// Names and shapes of one block, relative to it.
std::vector<std::pair<std::string, shape>> block_tensors(int64_t width, int64_t inner) {
  std::vector<std::pair<std::string, shape>> out;
  auto add = [&](const std::string& name, int64_t rows, int64_t columns) {
    out.emplace_back(name + ".weight", columns > 0 ? shape{rows, columns} : shape{rows});
    out.emplace_back(name + ".bias", shape{rows});
  };
  for (auto name :
       {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"})
    add(name, width, width);
  add("layer_norm1", width, 0);
  add("layer_norm2", width, 0);
  add("mlp.fc1", inner, width);
  add("mlp.fc2", width, inner);
  return out;
}

} // namespace

clip_layout find_clip_l(const checkpoint& file) {
  for (std::string prefix : {"cond_stage_model.transformer.text_model.",
                             "cond_stage_model.transformer.", "text_model."}) {
    clip_layout layout{prefix, 0};
    while (file.has(prefix + "encoder.layers." + std::to_string(layout.layers) + ".mlp.fc1.weight"))
      ++layout.layers;
    if (layout.layers > 0)
      return layout;
  }
  return {};
}

result<model_facts> describe_clip_l(const checkpoint& file) {
  auto layout = find_clip_l(file);
  auto& prefix = layout.prefix;
  auto* tokens = file.find(prefix + "embeddings.token_embedding.weight");
  auto* positions = file.find(prefix + "embeddings.position_embedding.weight");
  if (tokens == nullptr || tokens->shape.size() != 2 || positions == nullptr
      || positions->shape.size() != 2)
    return fail(ec::bad_model_file,
                "the model file " + file.title() + " is broken: '" + prefix
                  + "embeddings' has no token and position embedding of two dimensions");
  auto width = tokens->shape[1];
  auto inner = file.rows(prefix + "encoder.layers.0.mlp.fc1.weight");
  if (tokens->shape[0] != clip_bpe::vocabulary)
    return unsupported(file, "has a vocabulary of " + std::to_string(tokens->shape[0])
                               + " tokens instead of CLIP's 49408");
  if (width <= 0 || width % head_width != 0 || width > 8192 || inner <= 0 || inner > 65536)
    return unsupported(file, "is " + std::to_string(width) + " wide with an MLP of "
                               + std::to_string(inner) + ": no CLIP tower is");
  if (positions->shape[0] < 3 || positions->shape[0] > max_positions)
    return unsupported(file, "has " + std::to_string(positions->shape[0]) + " positions");

  model_facts facts;
  facts.kind = model_kind::text;
  facts.family = "clip_l";
  facts.type = "stable_diffusion";
  facts.token_keys = {"l"};
  facts.layers = layout.layers;
  facts.cond_width = static_cast<int>(width);
  facts.dims.width = static_cast<int>(width);
  facts.dims.heads = static_cast<int>(width / head_width);
  facts.dims.inner = static_cast<int>(inner);
  facts.dims.vocabulary = clip_bpe::vocabulary;
  facts.dims.positions = static_cast<int>(positions->shape[0]);

  uint64_t values = 0; // that are kept as fp32
  auto take = [&](const std::string& name, const shape& wanted) -> result<void> {
    if (auto ok = file.expect(prefix + name, wanted); !ok)
      return fail(ok);
    facts.weight_keys.push_back("clip_l.transformer.text_model." + name);
    values += *element_count(wanted);
    return {};
  };
  if (auto ok = take("embeddings.token_embedding.weight", {clip_bpe::vocabulary, width}); !ok)
    return fail(ok);
  auto table = values; // stays fp16: rows are looked up, not multiplied
  if (auto ok = take("embeddings.position_embedding.weight", {facts.dims.positions, width}); !ok)
    return fail(ok);
  auto tensors = block_tensors(width, inner);
  for (int i = 0; i < layout.layers; ++i)
    for (auto& [name, wanted] : tensors)
      if (auto ok = take("encoder.layers." + std::to_string(i) + "." + name, wanted); !ok)
        return fail(ok);
  for (auto name : {"final_layer_norm.weight", "final_layer_norm.bias"})
    if (auto ok = take(name, {width}); !ok)
      return fail(ok);
  facts.weight_keys.push_back("clip_l.transformer.text_projection.weight");
  facts.weight_keys.push_back("clip_l.logit_scale");
  facts.weight_bytes = 4 * (values - table) + 2 * table;
  return facts;
}

} // namespace luna::models
