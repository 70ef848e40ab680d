#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/message.hpp>
#include <caf/meta/type_name.hpp>
#include <caf/typed_actor.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include "base/model_kind.hpp"
#include "base/tensor_block.hpp"
#include "base/warning.hpp"
#include "messages/actors.hpp"

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

/// A request to a model, without its tensors.
struct task_header {
  /// Unique in the process that runs it (see next_task_id); what `cancel` names.
  uint64_t id = 0;
  uint64_t client = 0; ///< who asks: requests of different clients take turns
  std::string kind;    ///< which kind of work: a name of the table in actors/pool/work_kinds.cpp
  model_kind pool_kind = model_kind::text; ///< which kind of pool serves it
  model_ref model;
  caf::message arguments; ///< one value, of the type that this kind of work takes; or nothing
  dtype reply_type = dtype::f32;
  int8_t priority = 0;
  bool wants_progress = false;
  uint32_t deadline_ms = 120000; ///< time left when the message was sent
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, task_header& x) {
  return f(caf::meta::type_name("luna::task_header"), x.id, x.client, x.kind, x.pool_kind, x.model,
           x.arguments, x.reply_type, x.priority, x.wants_progress, x.deadline_ms);
}

/// A process-wide unique task id, never 0.
uint64_t next_task_id();

/// What a model answered, without its tensors.
struct task_answer {
  caf::message attributes; ///< one value, of the type that this kind of work tells; or nothing
  std::vector<warning> warnings;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, task_answer& x) {
  return f(caf::meta::type_name("luna::task_answer"), x.attributes, x.warnings);
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
