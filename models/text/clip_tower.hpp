#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/run_context.hpp"
#include "models/text/clip_layout.hpp"
#include "models/text/text_encoder.hpp"
#include "models/ticker.hpp"
#include "models/weights/packed.hpp"
#include "models/weights/weight_memory.hpp"

/// Internal to models/: needs libtorch's headers.
namespace luna::models {

/// Which hidden state of a tower is wanted.
struct clip_layer {
  int block = 0;       ///< number of the block whose output it is
  bool normed = false; ///< through the tower's final norm

  friend auto operator<=>(const clip_layer&, const clip_layer&) = default;
};

/// One chunk on its way through a tower.
struct clip_row {
  at::Tensor state; ///< [T, D]: the hidden state after the blocks so far
  at::Tensor kept;  ///< the chosen layer's output
  clip_layer layer;
  int64_t pooled_at = 0; ///< position of the pooled output: the first end token
};

/// A prompt in one tower: its rows, and what is needed to put its answer together.
struct clip_prompt {
  std::vector<clip_row> rows;
  at::Tensor weights; ///< [chunks * T, 1], or undefined if all are 1
  std::vector<warning> warnings;
};

/// A CLIP text tower as ComfyUI runs it: weights rounded to fp16, and kept so; everything computed
/// in fp32.
///
/// Thread rule: one thread at a time.
class clip_tower {
public:
  clip_tower(clip_tower_facts facts, weight_memory& memory)
    : facts_(std::move(facts)), memory_(memory) {}

  const clip_tower_facts& facts() const noexcept { return facts_; }

  /// @param file holds the tower at `place`; its tensors have been checked.
  result<void> load(const clip_place& place, weight_reader& reader);

  /// A prompt's way in: looks the tokens up. @param chunks of this tower, checked.
  clip_prompt prepare(std::span<const token_chunk> chunks, const text_job& job,
                      const clip_layer& layer) const;

  /// Runs rows through the tower, all of them through a block before the next. Each row is
  /// computed alone, so what else is in the batch cannot change a bit of it; the block's weights
  /// are read from memory once. One tick a block.
  result<void> run(std::span<clip_row* const> rows, const run_context& context,
                   ticker& ticker) const;

  /// [chunks * T, D]: the chosen layer with the prompt's weights. @pre the rows have run
  result<at::Tensor> conditioning(const clip_prompt& prompt, const run_context& context);

  /// [1, D], or [1, P] if projected. @pre the rows have run
  at::Tensor pooled(const clip_prompt& prompt, bool projected) const;

private:
  struct layer_norm {
    at::Tensor weight;
    at::Tensor bias;
    at::Tensor operator()(const at::Tensor& x) const;
  };

  struct block {
    layer_norm norm1;
    layer_norm norm2;
    packed_linear qkv; ///< the three projections as one
    packed_linear out;
    packed_linear fc1;
    packed_linear fc2;
  };

  result<layer_norm> load_norm(const std::string& name, weight_reader& reader);
  result<block> load_block(const clip_block_names& names, weight_reader& reader);
  result<void> load_projection(const clip_place& place, weight_reader& reader);

  clip_row embed(const token_chunk& chunk, const text_job& job,
                 std::vector<warning>& warnings) const;
  at::Tensor activate(const at::Tensor& x) const;
  void run_block(const block& block, clip_row& row, const run_context& context) const;
  at::Tensor chosen(const clip_row& row) const;
  result<at::Tensor> empty_prompt(const clip_layer& layer, const run_context& context);

  clip_tower_facts facts_;
  weight_memory& memory_;
  at::Tensor tokens_;     ///< [49408, D] fp16
  at::Tensor positions_;  ///< [T, D] fp32
  at::Tensor projection_; ///< [P, D] fp32, if the tower has one
  std::vector<block> blocks_;
  layer_norm final_norm_;

  /// The empty prompt's hidden states by layer and attention mode: any weight asks for them.
  std::map<std::pair<clip_layer, attention_mode>, at::Tensor> empty_;
};

} // namespace luna::models
