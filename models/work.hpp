#pragma once

#include <any>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_block.hpp"
#include "base/tensor_shape.hpp"
#include "base/warning.hpp"
#include "models/loaded_model.hpp"
#include "models/prompt/embedding_source.hpp"
#include "models/run_context.hpp"

namespace luna::models {

/// What a batch of work needs of a device beside the weights, in bytes.
struct work_needs {
  uint64_t working = 0;
  uint64_t min_working = 0; ///< enough at a pinch (an image in tiles); 0: no less will do
  uint64_t tensors = 0;     ///< of `working`: inputs and results, which the net does not count
};

/// What work answers.
struct work_answer {
  std::vector<named_tensor> tensors; ///< of the types that were asked for
  std::vector<warning> warnings;
  std::any attributes; ///< what the kind of work tells besides, e.g. tiling_report; or nothing
};

/// What one request wants of a loaded model.
///
/// The problem: pools, leases, batches and workers must carry prompts, images and whatever comes
/// next without a change for each.
///
/// Contract: it was checked against the facts of its model when it was made. A batch is of one
/// model, and each of its works joins each other; what else is in the batch changes no answer.
/// Thread rule: immutable; `run` on the worker's thread, the rest on any.
class work {
public:
  virtual ~work() = default;

  /// What a pool's budget for one batch counts: tokens, pixels.
  virtual uint64_t cost() const = 0;

  /// The tensors of the answer.
  virtual std::vector<tensor_shape> reply_shapes() const = 0;

  /// Whether both may run in one batch, if they are for the same model.
  virtual bool joins(const work& other) const = 0;

  /// @param batch all that run together, this one included.
  virtual work_needs needs(std::span<const work* const> batch) const = 0;

  /// Runs the batch. @returns one answer a work, in order.
  virtual std::vector<result<work_answer>> run(std::span<const work* const> batch,
                                               loaded_model& model,
                                               const run_context& context) const = 0;
};

/// What the arguments of a request become work with.
struct preparation {
  std::string kind;                         ///< of the work, for messages
  std::shared_ptr<const model_facts> facts; ///< of the model
  std::span<const named_tensor> tensors;    ///< the request's body
  dtype reply_type = dtype::f32;            ///< of the answer's tensors

  /// For kinds that are prepared by a pool's helper: the folder of vocabularies, and where textual
  /// inversions lie (null: nowhere).
  std::filesystem::path vocabularies;
  const embedding_source* embeddings = nullptr;
};

/// Something to run, or the answer itself if no model had to be loaded for it.
struct prepared_work {
  std::shared_ptr<const work> todo; ///< null: `answer` is all
  work_answer answer;               ///< with `todo`: warnings for its answer
};

/// Whether answers of this kind can have that type: `bad_request` that says which can.
result<void> check_reply_type(const preparation& request, bool answers_images);

/// Adds a tensor to an answer in the type that was asked for; integers stay what they are.
/// @returns `bad_request` if it cannot be told in that type.
result<void> add_reply(work_answer& answer, std::string name, const tensor_block& tensor,
                       dtype type, bool is_image = false);

} // namespace luna::models
