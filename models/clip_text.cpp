// The CLIP text tower as ComfyUI runs it: weights rounded to fp16, everything computed in fp32.
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/attention.hpp"
#include "models/clip_bpe.hpp"
#include "models/clip_layout.hpp"
#include "models/device.hpp"
#include "models/packed.hpp"
#include "models/tensors.hpp"
#include "models/text_encoder.hpp"
#include "models/ticker.hpp"
#include "models/weight_memory.hpp"

namespace luna::models {

namespace {

constexpr double epsilon = 1e-5;     ///< of every layer norm of a CLIP tower
constexpr int64_t head_width = 64;   ///< of every CLIP text tower
constexpr double quick_gelu = 1.702; ///< x * sigmoid(1.702 x)

struct layer_norm {
  at::Tensor weight;
  at::Tensor bias;

  at::Tensor operator()(const at::Tensor& x) const {
    return at::layer_norm(x, weight.sizes(), weight, bias, epsilon);
  }
};

struct block {
  layer_norm norm1;
  layer_norm norm2;
  packed_linear qkv; ///< the three projections as one
  packed_linear out;
  packed_linear fc1;
  packed_linear fc2;
};

/// One chunk on its way through the tower.
struct row {
  at::Tensor state;      ///< [T, D]: the hidden state after the blocks so far
  at::Tensor kept;       ///< the chosen layer's output
  int keep_after = 0;    ///< number of the block whose output is kept
  int64_t pooled_at = 0; ///< position of the pooled output: the first end token
};

/// A job's rows and what is needed to put its answer together.
struct plan {
  size_t job = 0;
  std::vector<row> rows;
  at::Tensor weights; ///< [chunks * T, 1], or undefined if all are 1
  std::vector<std::string> warnings;
};

class clip_text : public text_encoder {
public:
  clip_text(const model_facts& facts, at::Device device)
    : text_encoder(facts), memory_(device, facts.weight_bytes) {}

  uint64_t weight_bytes() const noexcept override { return memory_.bytes(); }

  result<void> load(const checkpoint& file, const run_context& context);

  std::vector<result<text_output>> encode(std::span<const text_job> jobs,
                                          const run_context& context) override;

private:
  result<block> load_block(const std::string& prefix, weight_reader& reader);
  result<layer_norm> load_norm(const std::string& name, weight_reader& reader);

  int block_to_keep(const text_job& job) const;
  row embed(const token_chunk& chunk, const text_job& job,
            std::vector<std::string>& warnings) const;
  plan make_plan(const text_job& job, size_t index) const;
  void run_block(const block& block, row& row, const run_context& context) const;
  result<void> run(std::vector<row*> rows, const run_context& context, ticker& ticker) const;
  result<at::Tensor> empty_prompt(int keep_after, const run_context& context);
  result<text_output> finish(const plan& plan, const run_context& context);

  weight_memory memory_; // first: goes last, after all tensors that lie in it
  at::Tensor tokens_;    ///< [49408, D] fp16
  at::Tensor positions_; ///< [T, D] fp32
  std::vector<block> blocks_;
  layer_norm final_norm_;

  /// The empty prompt's normed hidden states by layer and attention mode: any weight asks for them.
  std::map<std::pair<int, attention_mode>, at::Tensor> empty_;
};

// -- loading
// ---------------------------------------------------------------------------------------

result<layer_norm> clip_text::load_norm(const std::string& name, weight_reader& reader) {
  auto weight = reader.load(name + ".weight", memory_, at::kFloat);
  if (!weight)
    return fail(weight);
  auto bias = reader.load(name + ".bias", memory_, at::kFloat);
  if (!bias)
    return fail(bias);
  return layer_norm{*weight, *bias};
}

result<block> clip_text::load_block(const std::string& prefix, weight_reader& reader) {
  block made;
  for (auto [norm, name] : {std::pair{&made.norm1, "layer_norm1"}, {&made.norm2, "layer_norm2"}}) {
    auto loaded = load_norm(prefix + name, reader);
    if (!loaded)
      return fail(loaded);
    *norm = *loaded;
  }
  struct part {
    packed_linear* target;
    std::vector<std::string> names;
    int64_t rows;
    int64_t columns;
  };
  int64_t width = facts().dims.width;
  int64_t inner = facts().dims.inner;
  auto attn = prefix + "self_attn.";
  for (auto& x : std::vector<part>{
         {&made.qkv, {attn + "q_proj", attn + "k_proj", attn + "v_proj"}, width, width},
         {&made.out, {attn + "out_proj"}, width, width},
         {&made.fc1, {prefix + "mlp.fc1"}, inner, width},
         {&made.fc2, {prefix + "mlp.fc2"}, width, inner},
       }) {
    auto loaded = packed_linear::load(x.names, reader, memory_, x.rows, x.columns);
    if (!loaded)
      return fail(loaded);
    *x.target = std::move(*loaded);
  }
  return made;
}

result<void> clip_text::load(const checkpoint& file, const run_context& context) {
  auto prefix = find_clip_l(file).prefix;
  weight_reader reader{file, context, facts().weight_bytes, true};
  auto tokens = reader.load(prefix + "embeddings.token_embedding.weight", memory_, at::kHalf);
  if (!tokens)
    return fail(tokens);
  tokens_ = *tokens;
  auto positions =
    reader.load(prefix + "embeddings.position_embedding.weight", memory_, at::kFloat);
  if (!positions)
    return fail(positions);
  positions_ = *positions;
  for (int i = 0; i < facts().layers; ++i) {
    auto loaded = load_block(prefix + "encoder.layers." + std::to_string(i) + ".", reader);
    if (!loaded)
      return fail(loaded);
    blocks_.push_back(std::move(*loaded));
  }
  auto norm = load_norm(prefix + "final_layer_norm", reader);
  if (!norm)
    return fail(norm);
  final_norm_ = *norm;
  return file.check_unchanged();
}

// -- a prompt's way in
// -----------------------------------------------------------------------------

/// A layer beyond the tower's depth means the last one, as in ComfyUI.
int clip_text::block_to_keep(const text_job& job) const {
  auto last = facts().layers - 1;
  if (!job.layer || -*job.layer > facts().layers)
    return last;
  return facts().layers + *job.layer;
}

row clip_text::embed(const token_chunk& chunk, const text_job& job,
                     std::vector<std::string>& warnings) const {
  auto width = facts().dims.width;
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
    if (tensor.size(-1) != width) {
      // ComfyUI leaves such rows out, and pads at the end.
      auto text = "an embedding of width " + std::to_string(tensor.size(-1))
                + " does not fit this model of width " + std::to_string(width) + ": it is left out";
      if (std::find(warnings.begin(), warnings.end(), text) == warnings.end())
        warnings.push_back(text);
      continue;
    }
    values.push_back(tensor.dim() == 1 ? tensor : tensor.select(0, token.row));
    ++inserted;
  }
  while (values.size() < chunk.size())
    values.push_back(tokens_.select(0, clip_bpe::end));
  auto state = at::empty({static_cast<int64_t>(chunk.size()), width}, positions_.options());
  for (size_t i = 0; i < values.size(); ++i)
    state.select(0, static_cast<int64_t>(i)).copy_(values[i]);
  row made;
  made.state = state.add_(positions_);
  made.pooled_at = std::max<int64_t>(ids_attended + inserted - 1, 0);
  made.keep_after = block_to_keep(job);
  return made;
}

plan clip_text::make_plan(const text_job& job, size_t index) const {
  plan made;
  made.job = index;
  std::vector<float> weights;
  for (auto& chunk : job.tokens.at("l")) {
    made.rows.push_back(embed(chunk, job, made.warnings));
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
// -------------------------------------------------------------------------------------

void clip_text::run_block(const block& block, row& row, const run_context& context) const {
  auto& x = row.state;
  auto length = x.size(0);
  auto width = x.size(1);
  auto heads = width / head_width;
  auto qkv = block.qkv(block.norm1(x)).view({length, 3, heads, head_width}).permute({1, 2, 0, 3});
  auto part = [&](int64_t i) { return qkv.select(0, i).unsqueeze(0); };
  auto seen = attention(part(0), part(1), part(2), true, context.mode());
  x = x.add(block.out(seen.squeeze(0).transpose(0, 1).reshape({length, width})));
  auto inner = block.fc1(block.norm2(x));
  x = x.add(block.fc2(at::sigmoid(inner.mul(quick_gelu)).mul_(inner)));
}

/// Runs rows through the tower, all of them through a block before the next. Each row is computed
/// alone, so what else is in the batch cannot change a bit of it; the block's weights are read
/// from memory once.
result<void> clip_text::run(std::vector<row*> rows, const run_context& context,
                            ticker& ticker) const {
  if (context.stopped())
    return cancelled();
  for (int i = 0; i < facts().layers; ++i) {
    for (auto* row : rows) {
      run_block(blocks_[static_cast<size_t>(i)], *row, context);
      if (row->keep_after == i)
        row->kept = row->state;
    }
    if (!ticker.tick())
      return cancelled();
  }
  return {};
}

result<at::Tensor> clip_text::empty_prompt(int keep_after, const run_context& context) {
  auto key = std::pair{keep_after, context.mode()};
  if (auto known = empty_.find(key); known != empty_.end())
    return known->second;
  text_job job;
  token_chunk chunk(static_cast<size_t>(facts().dims.positions), {clip_bpe::end, 1.0, -1, 0, 0});
  chunk.front().id = clip_bpe::start;
  std::vector<std::string> warnings;
  auto one = embed(chunk, job, warnings);
  one.keep_after = keep_after;
  ticker silent{context, "", 0};
  if (auto ok = run({&one}, context, silent); !ok)
    return fail(ok);
  return empty_[key] = final_norm_(one.kept);
}

// -- answers
// ---------------------------------------------------------------------------------------

result<text_output> clip_text::finish(const plan& plan, const run_context& context) {
  std::vector<at::Tensor> parts;
  for (auto& row : plan.rows)
    parts.push_back(final_norm_(row.kept));
  auto cond = at::cat(parts, 0);
  if (plan.weights.defined()) {
    auto empty = empty_prompt(plan.rows.front().keep_after, context);
    if (!empty)
      return fail(empty);
    auto base = empty->repeat({static_cast<int64_t>(plan.rows.size()), 1});
    auto moved = cond.sub(base).mul_(plan.weights).add_(base);
    cond = at::where(plan.weights.eq(1.0), cond, moved);
  }
  auto& first = plan.rows.front();
  text_output out;
  out.cond = block_of(cond.unsqueeze(0));
  out.pooled = block_of(final_norm_(first.state.narrow(0, first.pooled_at, 1)));
  out.warnings = plan.warnings;
  return out;
}

std::vector<result<text_output>> clip_text::encode(std::span<const text_job> jobs,
                                                   const run_context& context) {
  std::vector<result<text_output>> answers;
  for (auto& job : jobs) {
    auto ok = check_text_job(facts(), job);
    answers.push_back(ok ? result<text_output>{text_output{}} : fail(ok));
  }
  auto all = guarded([&]() -> result<void> {
    std::vector<plan> plans;
    for (size_t i = 0; i < jobs.size(); ++i)
      if (answers[i])
        plans.push_back(make_plan(jobs[i], i));
    std::vector<row*> rows;
    for (auto& plan : plans)
      for (auto& row : plan.rows)
        rows.push_back(&row);
    ticker ticker{context, "encode", static_cast<uint64_t>(facts().layers)};
    if (auto ok = run(rows, context, ticker); !ok)
      return fail(ok);
    for (auto& plan : plans)
      answers[plan.job] = finish(plan, context);
    return {};
  });
  if (!all)
    for (auto& answer : answers)
      if (answer && answer->cond.size_bytes() == 0)
        answer = fail(all);
  return answers;
}

} // namespace

result<std::unique_ptr<text_encoder>> load_text_encoder(std::span<const model_file> files,
                                                        const model_facts& facts,
                                                        const load_options& options,
                                                        const run_context& context) {
  if (facts.family != "clip_l")
    return fail(ec::unsupported_model, "this build does not serve the text family " + facts.family);
  if (options.precision != "exact")
    return fail(ec::bad_request, "precision '" + options.precision + "' is not built; 'exact' is");
  auto device = device_of(options.device);
  if (!device)
    return fail(device);
  auto file = checkpoint::open(files);
  if (!file)
    return fail(file);
  return guarded([&]() -> result<std::unique_ptr<text_encoder>> {
    auto model = std::make_unique<clip_text>(facts, *device);
    if (auto ok = model->load(*file, context); !ok)
      return fail(ok);
    release_cached_memory(options.device); // what repacking took meanwhile
    return model;
  });
}

} // namespace luna::models
