#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "actors/catalog/model_catalog.hpp"
#include "actors/pool/work_kinds.hpp"
#include "messages/actors.hpp"
#include "messages/model_task.hpp"
#include "models/prompt/embedding_source.hpp"

namespace luna {

/// A task on its way to the device.
struct prepare_order {
  const work_kind* kind = nullptr;
  std::shared_ptr<const model_task> task;
  std::shared_ptr<const resolved_model> model;
  std::stop_token stop;
};

/// Makes work of a task. May read files.
/// @param embeddings null: there are none.
result<models::prepared_work> prepare_work(const prepare_order& order,
                                           const std::string& vocabularies,
                                           const models::embedding_source* embeddings);

/// The TASK PREPARER interface, private to a pool.
using preparer_actor = caf::typed_actor<
  // Makes work of a task, or its answer: tokenizes prompts, checks given tokens against the model.
  caf::replies_to<run_atom, std::shared_ptr<const prepare_order>>::with<
    std::shared_ptr<models::prepared_work>>>;

struct preparer_options {
  std::string vocabularies; ///< folder
  std::vector<std::string> embedding_folders;
};

/// Prepares what takes long: prompts.
///
/// The problem: a prompt may have 16 MiB and a textual inversion lies on the disk; neither belongs
/// on a thread that others share.
///
/// Contract: tasks are prepared in order; one whose stop token is set answers `cancelled`.
/// Thread rule: detached, private to a pool.
struct task_preparer_state {
  static inline const char* name = "task_preparer";

  preparer_options options;
  std::shared_ptr<const models::embedding_source> embeddings;
};

preparer_actor::behavior_type
task_preparer(preparer_actor::stateful_pointer<task_preparer_state> self, preparer_options options);

} // namespace luna

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<const luna::prepare_order>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<luna::models::prepared_work>)
