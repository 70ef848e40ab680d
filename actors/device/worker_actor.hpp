#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/typed_actor.hpp>

#include <cstdint>
#include <memory>
#include <string>

#include "messages/type_ids.hpp"

namespace luna {

struct work_order;  // lease.hpp
struct work_report; // lease.hpp

/// The MODEL WORKER interface. Detached, one a device: the only place where libtorch runs.
using worker_actor = caf::typed_actor<
  // Loads the model if it is not there, runs the tasks as one batch and answers each.
  caf::replies_to<execute_atom, std::shared_ptr<work_order>>::with<std::shared_ptr<work_report>>,
  // Drops a model by its key and tells the bytes that came back, measured.
  caf::replies_to<unload_atom, std::string>::with<uint64_t>>;

} // namespace luna

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<luna::work_order>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<luna::work_report>)
