#pragma once

#include <caf/typed_actor.hpp>

#include <string>

#include "messages/actors.hpp"
#include "messages/model_task.hpp"

namespace luna {

/// The SAVE SINK interface: what takes images on the saving node itself.
using save_sink_actor = save_queue_actor::extend<
  // Accepts a job; the JSON answer of submit_async comes when the job is durable.
  caf::replies_to<submit_atom, save_submission>::with<std::string>,
  // Refuses new jobs, finishes what is being written, answers when nothing is.
  caf::replies_to<drain_atom>::with<bool>,
  // Lets pictures go to one more folder of this machine. JSON.
  caf::replies_to<allow_atom, std::string>::with<std::string>>;

} // namespace luna
