#pragma once

#include "actors/gateway/commands/commands.hpp"

namespace luna::commands {

// Requests that a model answers: vae_encode, vae_decode, clip_*, model_info. The fields are checked
// here, the shapes of tensors by the pool, which knows the model. See docs/protocol.md, section 5.

result<void> model_info(session_parts::self_pointer self, uint64_t task, active_request& request);
result<void> vae_encode(session_parts::self_pointer self, uint64_t task, active_request& request);
result<void> vae_decode(session_parts::self_pointer self, uint64_t task, active_request& request);
result<void> clip_tokenize(session_parts::self_pointer self, uint64_t task,
                           active_request& request);
result<void> clip_encode(session_parts::self_pointer self, uint64_t task, active_request& request);
result<void> clip_encode_sdxl(session_parts::self_pointer self, uint64_t task,
                              active_request& request);
result<void> clip_encode_from_tokens(session_parts::self_pointer self, uint64_t task,
                                     active_request& request);

} // namespace luna::commands
