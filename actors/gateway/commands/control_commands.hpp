#pragma once

#include "actors/gateway/commands/commands.hpp"

namespace luna::commands {

// Commands for this node or the whole cluster. They go to the node's manager, which takes those for
// the cluster to the supervisor; the answer tells who did it and who did not.

result<void> set_attention_mode(session_parts::self_pointer self, uint64_t task,
                                active_request& request);
result<void> unload_models(session_parts::self_pointer self, uint64_t task,
                           active_request& request);

/// Scope connection cancels the requests of this client itself.
result<void> reset(session_parts::self_pointer self, uint64_t task, active_request& request);
result<void> shutdown(session_parts::self_pointer self, uint64_t task, active_request& request);

} // namespace luna::commands
