#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace luna {

/// What went wrong, as clients see it: the codes of docs/protocol.md, section 3.
/// The numbers travel between nodes: append only.
enum class ec : uint8_t {
  none = 0,
  bad_frame,            ///< bytes that are no frame; the connection is closed
  duplicate_request_id, ///< a request id that is still in use; the connection is closed
  protocol_mismatch,    ///< no protocol version that both sides speak
  unauthenticated,      ///< no hello yet, or a wrong proof
  unknown_command,      ///< no such command, or one that this build does not have
  bad_request,          ///< a field or tensor is missing or has a wrong type, shape or range
  unknown_model,        ///< no model file of that name
  unsupported_model,    ///< a family that this build does not serve
  bad_model_file,       ///< a broken or hostile model file
  model_mismatch,       ///< tokens, latents or LoRA that do not fit the named model
  unknown_lora,         ///< no LoRA of that name or hash
  unknown_job,          ///< no save job of that id
  overloaded,           ///< a bound is reached: queue, memory, connections
  out_of_memory,        ///< the device cannot hold the work, even after eviction
  unavailable,          ///< no live node serves it now
  timeout,              ///< the deadline passed
  cancelled,            ///< cancelled by the client
  shutting_down,        ///< the node drains
  not_permitted,        ///< a path outside the allowed folders, a forbidden command
  internal,             ///< a defect of ours
};

/// The code's name on the wire, for instance "bad_request".
std::string_view to_string(ec code);

/// The code of a wire name; nothing if there is none of that name.
std::optional<ec> error_code_of(std::string_view name);

/// Whether the same request may succeed later without a change.
bool is_retryable(ec code);

} // namespace luna
