#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/meta/type_name.hpp>
#include <caf/typed_actor.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include "base/model_kind.hpp"
#include "base/tensor_block.hpp"
#include "base/text_cleanup.hpp"
#include "base/tiling.hpp"
#include "messages/actors.hpp"
#include "messages/real.hpp"

// What a model pool is asked and what it answers. The parts that are plain values travel between
// nodes (task_header, task_answer); model_task and model_result add the tensors and stay inside a
// process.

namespace luna {

/// Which model a request means, as the client named it.
struct model_ref {
  /// One name (an alias, a file as ComfyUI lists it, `folder:name`), or several files of one text
  /// encoder.
  std::vector<std::string> files;

  /// ComfyUI's type name ("sdxl"), or empty: what the file says.
  std::string type;

  friend bool operator==(const model_ref&, const model_ref&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, model_ref& x) {
  return f(caf::meta::type_name("luna::model_ref"), x.files, x.type);
}

/// "sd15.safetensors", or "sdxl(clip_l.safetensors, clip_g.safetensors)".
std::string to_string(const model_ref& x);

/// One token of a chunk. Word ids are only answered, never asked.
struct token {
  int32_t id = 0;
  real weight{1.0};
  std::string embedding; ///< not empty: the row of this body tensor stands in for the id
  int32_t row = 0;       ///< row of `embedding`
  int32_t word = 0;

  friend bool operator==(const token&, const token&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, token& x) {
  return f(caf::meta::type_name("luna::token"), x.id, x.weight, x.embedding, x.row, x.word);
}

/// The chunks of one tower, for instance "l": [[token, ... 77 of them], ...].
struct token_chunks {
  std::string key;
  std::vector<std::vector<token>> chunks;

  friend bool operator==(const token_chunks&, const token_chunks&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, token_chunks& x) {
  return f(caf::meta::type_name("luna::token_chunks"), x.key, x.chunks);
}

enum class task_kind : uint8_t {
  info,
  tokenize,
  encode_text,
  encode_tokens,
  vae_encode,
  vae_decode
};

/// The command that a task comes from, for messages.
std::string_view to_string(task_kind kind);

/// Arguments of tokenize (`positive` only), encode_text and encode_tokens.
struct text_arguments {
  std::string positive;
  std::string negative;
  bool wants_negative = false; ///< false: only the positive prompt is encoded
  bool pair = false;           ///< SDXL: the tower "l" reads prompts of its own
  std::string positive_l;      ///< if `pair`
  std::string negative_l;
  std::vector<token_chunks> tokens;
  bool has_layer = false; ///< false: the family's own layer
  int32_t layer = 0;      ///< -1..-N, if has_layer
  bool projected = true;
  text_cleanup cleanup = text_cleanup::transformers5; ///< of prompts
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, text_arguments& x) {
  return f(caf::meta::type_name("luna::text_arguments"), x.positive, x.negative, x.wants_negative,
           x.pair, x.positive_l, x.negative_l, x.tokens, x.has_layer, x.layer, x.projected,
           x.cleanup);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, vae_tiling& x) {
  return f(caf::meta::type_name("luna::vae_tiling"), x.mode, x.method, x.tile_width, x.tile_height,
           x.overlap);
}

/// A request to a model, without its tensors.
struct task_header {
  /// Unique in the process that runs it (see next_task_id); what `cancel` names.
  uint64_t id = 0;
  uint64_t client = 0; ///< who asks: requests of different clients take turns
  task_kind kind = task_kind::info;
  model_kind pool_kind = model_kind::text; ///< which kind of pool serves it
  model_ref model;
  text_arguments text;
  vae_tiling tiling; ///< of vae_encode and vae_decode
  dtype reply_type = dtype::f32;
  int8_t priority = 0;
  bool wants_progress = false;
  uint32_t deadline_ms = 120000; ///< time left when the message was sent
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, task_header& x) {
  return f(caf::meta::type_name("luna::task_header"), x.id, x.client, x.kind, x.pool_kind, x.model,
           x.text, x.tiling, x.reply_type, x.priority, x.wants_progress, x.deadline_ms);
}

/// A process-wide unique task id, never 0.
uint64_t next_task_id();

/// What a model answered, without its tensors.
struct task_answer {
  std::string attributes; ///< JSON object: what the reply's header says, e.g. {"tiled":false}
  std::vector<token_chunks> tokens; ///< of tokenize
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, task_answer& x) {
  return f(caf::meta::type_name("luna::task_answer"), x.attributes, x.tokens);
}

/// How far a request is.
struct task_progress {
  uint64_t id = 0; ///< the task's
  std::string stage;
  uint64_t value = 0;
  uint64_t max = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, task_progress& x) {
  return f(caf::meta::type_name("luna::task_progress"), x.id, x.stage, x.value, x.max);
}

/// A request with its tensors: inside one process only.
struct model_task {
  task_header header;
  std::vector<named_tensor> tensors;
  progress_actor listener; ///< told how far the task is, if `header.wants_progress`; may be null
};

/// A save request with its images: inside one process only.
struct save_submission {
  std::string task; ///< JSON of task_data, in the client's order
  std::string key;  ///< at most 200 bytes, or empty
  std::vector<named_tensor> tensors;
};

/// An answer with its tensors: inside one process only.
struct model_result {
  task_answer answer;
  std::vector<named_tensor> tensors;
};

} // namespace luna

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(luna::model_task)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(luna::model_result)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(luna::save_submission)
