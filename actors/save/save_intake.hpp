#pragma once

#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/save/output_folders.hpp"
#include "actors/save/save_parts.hpp"
#include "base/result.hpp"
#include "messages/model_task.hpp"

namespace luna {

/// Turns a submission into a job: reads and checks the task, makes the pictures bytes, resolves the
/// names as far as the store need not be asked.
/// @param allowed folders that may be written to, absolute.
/// @param now for a task without a timestamp.
/// @returns `bad_request`, `not_permitted` with what is wrong.
result<storage::new_job> read_submission(const save_submission& x,
                                         const std::vector<std::string>& allowed,
                                         std::chrono::system_clock::time_point now);

/// Runs an intake. Spawn it detached: a workflow of megabytes and a batch of pictures take long to
/// read.
save_intake_actor::behavior_type save_intake(save_intake_actor::pointer self,
                                             save_store_actor store,
                                             std::shared_ptr<output_folders> folders);

} // namespace luna
