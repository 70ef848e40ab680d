#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_block.hpp"
#include "base/warning.hpp"
#include "models/loaded_model.hpp"
#include "models/run_context.hpp"
#include "models/tokenizers/text_tokens.hpp"

namespace luna::models {

/// One prompt to encode.
struct text_job {
  text_tokens tokens;                   ///< chunks by key; every key of `facts.token_keys`
  std::vector<tensor_block> embeddings; ///< [rows, width] or [width], f32, f16 or bf16
  std::optional<int> layer;             ///< -1 .. -layers; nothing: the family's own
  bool projected = true;                ///< false: the pooled output before its projection
};

struct text_output {
  tensor_block cond;                          ///< [1, T, D] f32
  std::optional<tensor_block> pooled;         ///< [1, P] f32, where the family has one
  std::optional<tensor_block> attention_mask; ///< [1, T] i64, where the family uses one
  std::vector<warning> warnings;              ///< for instance an embedding of another width
};

/// Whether a job fits a model, without the model: `bad_request` for malformed tokens,
/// `model_mismatch` for ids, keys or layers that this model does not have.
result<void> check_text_job(const model_facts& facts, const text_job& job);

/// The shapes of a job's answer.
struct text_shapes {
  std::vector<int64_t> cond;
  std::optional<std::vector<int64_t>> pooled;
};

/// What a job will answer. @pre `check_text_job` says yes.
text_shapes text_output_shapes(const model_facts& facts, const text_job& job);

/// Memory beside the weights that encoding these jobs takes at most, roughly.
uint64_t estimate_working_bytes(const model_facts& facts, std::span<const text_job> jobs);

class text_encoder : public loaded_model {
public:
  /// Encodes several prompts in one go. Each answer is what the prompt alone would have given, bit
  /// for bit: the composition of the batch changes nothing.
  /// @returns one result a job, in order; `cancelled` and `out_of_memory` strike all that are not
  ///   done.
  virtual std::vector<result<text_output>> encode(std::span<const text_job> jobs,
                                                  const run_context& context) = 0;

protected:
  using loaded_model::loaded_model;
};

} // namespace luna::models
