#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/typed_actor.hpp>

#include <memory>

#include "base/model_kind.hpp"
#include "messages/model_task.hpp"
#include "messages/work_arguments.hpp"

namespace luna {

struct resolved_model; // model_catalog.hpp
struct model_listing;  // model_catalog.hpp

/// The MODEL CATALOG interface: what lies in the model folders. Detached: it reads files.
using catalog_actor = caf::typed_actor<
  // Finds the files that a name means and reads their headers; unknown_model, bad_model_file, ...
  caf::replies_to<resolve_atom, model_kind, model_ref>::with<std::shared_ptr<const resolved_model>>,
  // What model_info tells, with the hash of the files.
  caf::replies_to<info_atom, model_kind, model_ref>::with<model_description>,
  // All model files; looks into the folders again if the last look is older than a second.
  caf::replies_to<list_atom>::with<std::shared_ptr<const model_listing>>>;

} // namespace luna

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<const luna::resolved_model>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<const luna::model_listing>)
