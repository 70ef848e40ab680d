#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/typed_actor.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "messages/cluster.hpp"
#include "messages/type_ids.hpp"

namespace luna {

struct lease_request; // lease.hpp
struct lease_grant;   // lease.hpp

/// The DEVICE MANAGER interface: the ledger of one device and the owner of its worker.
using device_actor = caf::typed_actor<
  // Grants a task's whole need, at once or when it fits; out_of_memory, timeout, unavailable.
  caf::replies_to<lease_atom, std::shared_ptr<lease_request>>::with<std::shared_ptr<lease_grant>>,
  // Ends a lease; tells the bytes of the model's weights as measured (0: it is not loaded).
  caf::reacts_to<release_atom, uint64_t, uint64_t>,
  // Takes a waiting lease request back.
  caf::reacts_to<cancel_atom, uint64_t>,
  // Unloads what matches the kinds and models (empty: all) and is not leased.
  caf::replies_to<unload_atom, std::vector<model_kind>,
                  std::vector<std::string>>::with<unload_report>,
  // Sets the attention mode for the next attention call; an error if the device lacks it.
  caf::replies_to<attention_atom, attention_mode>::with<bool>,
  // The ledger.
  caf::replies_to<status_atom>::with<device_row>>;

} // namespace luna

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<luna::lease_request>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<luna::lease_grant>)
