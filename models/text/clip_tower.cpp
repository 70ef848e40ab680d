#include "models/text/clip_tower.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/where.h>

#include <algorithm>

#include "models/text/attention.hpp"
#include "models/tokenizers/clip_bpe.hpp"
#include "models/weights/tensors.hpp"

namespace luna::models {

namespace {

constexpr double epsilon = 1e-5;     ///< of every layer norm of a CLIP tower
constexpr double quick_gelu = 1.702; ///< x * sigmoid(1.702 x)

} // namespace

at::Tensor clip_tower::layer_norm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, weight.sizes(), weight, bias, epsilon);
}

// -- loading

result<clip_tower::layer_norm> clip_tower::load_norm(const std::string& name,
                                                     weight_reader& reader) {
  auto weight = reader.load(name + ".weight", memory_, at::kFloat);
  if (!weight)
    return fail(weight);
  auto bias = reader.load(name + ".bias", memory_, at::kFloat);
  if (!bias)
    return fail(bias);
  return layer_norm{*weight, *bias};
}

result<clip_tower::block> clip_tower::load_block(const clip_block_names& names,
                                                 weight_reader& reader) {
  block made;
  for (auto& [norm, name] : {std::pair{&made.norm1, names.norm1}, {&made.norm2, names.norm2}}) {
    auto loaded = load_norm(name, reader);
    if (!loaded)
      return fail(loaded);
    *norm = *loaded;
  }
  struct part {
    packed_linear* target;
    const std::vector<linear_names>& sources;
    int64_t rows;
    int64_t columns;
  };
  int64_t width = facts_.width;
  int64_t inner = facts_.inner;
  for (auto& x : {part{&made.qkv, names.qkv, 3 * width, width},
                  {&made.out, names.out, width, width},
                  {&made.fc1, names.fc1, inner, width},
                  {&made.fc2, names.fc2, width, inner}}) {
    auto loaded = packed_linear::load(x.sources, reader, memory_, x.rows, x.columns);
    if (!loaded)
      return fail(loaded);
    *x.target = std::move(*loaded);
  }
  return made;
}

result<void> clip_tower::load_projection(const clip_place& place, weight_reader& reader) {
  if (facts_.projection == 0)
    return {};
  projection_ = memory_.take({facts_.projection, facts_.width}, at::kFloat);
  if (!place.projection_is_transposed)
    return reader.read(place.projection, projection_);
  auto turned = at::empty({facts_.width, facts_.projection}, at::TensorOptions{}.dtype(at::kFloat));
  if (auto ok = reader.read(place.projection, turned); !ok)
    return ok;
  projection_.copy_(turned.t());
  return {};
}

result<void> clip_tower::load(const clip_place& place, weight_reader& reader) {
  auto tokens = reader.load(place.token_embedding(), memory_, at::kHalf);
  if (!tokens)
    return fail(tokens);
  tokens_ = *tokens;
  auto positions = reader.load(place.position_embedding(), memory_, at::kFloat);
  if (!positions)
    return fail(positions);
  positions_ = *positions;
  for (int i = 0; i < facts_.layers; ++i) {
    auto loaded = load_block(place.block(i), reader);
    if (!loaded)
      return fail(loaded);
    blocks_.push_back(std::move(*loaded));
  }
  auto norm = load_norm(place.final_norm(), reader);
  if (!norm)
    return fail(norm);
  final_norm_ = *norm;
  return load_projection(place, reader);
}

// -- a prompt's way in

clip_row clip_tower::embed(const token_chunk& chunk, const text_job& job,
                           std::vector<warning>& warnings) const {
  std::vector<at::Tensor> values;
  int64_t ids_attended = 0;
  int64_t inserted = 0;
  auto ended = false;
  for (auto& token : chunk) {
    if (token.embedding < 0) {
      values.push_back(tokens_.select(0, token.id));
      ids_attended += ended ? 0 : 1;
      ended = ended || token.id == clip_bpe::end;
      continue;
    }
    auto tensor = view_of(job.embeddings[static_cast<size_t>(token.embedding)]);
    if (tensor.size(-1) != facts_.width) {
      // ComfyUI leaves such rows out, and pads at the end.
      add_warning(warnings, {"embedding", "an embedding of width " + std::to_string(tensor.size(-1))
                                            + " does not fit this model of width "
                                            + std::to_string(facts_.width) + ": it is left out"});
      continue;
    }
    values.push_back(tensor.dim() == 1 ? tensor : tensor.select(0, token.row));
    ++inserted;
  }
  while (values.size() < chunk.size())
    values.push_back(tokens_.select(0, facts_.pad));
  clip_row made;
  made.state = at::empty({static_cast<int64_t>(chunk.size()), facts_.width}, positions_.options());
  for (size_t i = 0; i < values.size(); ++i)
    made.state.select(0, static_cast<int64_t>(i)).copy_(values[i]);
  made.state.add_(positions_);
  made.pooled_at = std::max<int64_t>(ids_attended + inserted - 1, 0);
  return made;
}

clip_prompt clip_tower::prepare(std::span<const token_chunk> chunks, const text_job& job,
                                const clip_layer& layer) const {
  clip_prompt made;
  std::vector<float> weights;
  for (auto& chunk : chunks) {
    made.rows.push_back(embed(chunk, job, made.warnings));
    made.rows.back().layer = layer;
    for (auto& token : chunk)
      weights.push_back(static_cast<float>(token.weight));
  }
  if (std::any_of(weights.begin(), weights.end(), [](float w) { return w != 1.0F; })) {
    auto count = static_cast<int64_t>(weights.size());
    made.weights = at::from_blob(weights.data(), {count, 1}, at::TensorOptions{}.dtype(at::kFloat))
                     .to(memory_.device(), at::kFloat, false, true);
  }
  return made;
}

// -- the tower

at::Tensor clip_tower::activate(const at::Tensor& x) const {
  return facts_.quick_gelu ? at::sigmoid(x.mul(quick_gelu)).mul_(x) : at::gelu(x);
}

void clip_tower::run_block(const block& block, clip_row& row, const run_context& context) const {
  auto& x = row.state;
  auto length = x.size(0);
  auto width = x.size(1);
  auto heads = int64_t{facts_.heads};
  auto qkv = block.qkv(block.norm1(x)).view({length, 3, heads, width / heads});
  auto part = [&](int64_t i) { return qkv.select(1, i).transpose(0, 1).unsqueeze(0); };
  auto seen = attention(part(0), part(1), part(2), true, context.mode());
  x = x.add(block.out(seen.squeeze(0).transpose(0, 1).reshape({length, width})));
  x = x.add(block.fc2(activate(block.fc1(block.norm2(x)))));
}

result<void> clip_tower::run(std::span<clip_row* const> rows, const run_context& context,
                             ticker& ticker) const {
  if (context.stopped())
    return cancelled();
  for (int i = 0; i < facts_.layers; ++i) {
    for (auto* row : rows) {
      run_block(blocks_[static_cast<size_t>(i)], *row, context);
      if (row->layer.block == i)
        row->kept = row->state;
    }
    if (!ticker.tick())
      return cancelled();
  }
  return {};
}

// -- answers

at::Tensor clip_tower::chosen(const clip_row& row) const {
  return row.layer.normed ? final_norm_(row.kept) : row.kept;
}

result<at::Tensor> clip_tower::empty_prompt(const clip_layer& layer, const run_context& context) {
  auto key = std::pair{layer, context.mode()};
  if (auto known = empty_.find(key); known != empty_.end())
    return known->second;
  token_chunk chunk(static_cast<size_t>(facts_.positions), {facts_.pad, 1.0, -1, 0, 0});
  chunk.at(0).id = clip_bpe::start;
  chunk.at(1).id = clip_bpe::end;
  auto prompt = prepare({&chunk, 1}, {}, layer);
  ticker silent{context, "", 0};
  auto* row = &prompt.rows.front();
  if (auto ok = run({&row, 1}, context, silent); !ok)
    return fail(ok);
  return empty_[key] = chosen(*row);
}

result<at::Tensor> clip_tower::conditioning(const clip_prompt& prompt, const run_context& context) {
  std::vector<at::Tensor> parts;
  for (auto& row : prompt.rows)
    parts.push_back(chosen(row));
  auto cond = at::cat(parts, 0);
  if (!prompt.weights.defined())
    return cond;
  auto empty = empty_prompt(prompt.rows.front().layer, context);
  if (!empty)
    return fail(empty);
  auto base = empty->repeat({static_cast<int64_t>(prompt.rows.size()), 1});
  auto moved = cond.sub(base).mul_(prompt.weights).add_(base);
  return at::where(prompt.weights.eq(1.0), cond, moved);
}

at::Tensor clip_tower::pooled(const clip_prompt& prompt, bool projected) const {
  auto& first = prompt.rows.front();
  auto pooled = final_norm_(first.state.narrow(0, first.pooled_at, 1));
  return projected && projection_.defined() ? at::linear(pooled, projection_) : pooled;
}

} // namespace luna::models
