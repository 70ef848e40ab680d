#pragma once

#include "actors/gateway/commands/commands.hpp"

namespace luna::commands {

// Saving: submit_async and job_*. They go to the saving node's queue, wherever it is; task_data is
// checked there, where its folders are. See docs/protocol.md, sections 5 and 6.

result<void> submit_async(session_parts::self_pointer self, uint64_t task, active_request& request);
result<void> job_status(session_parts::self_pointer self, uint64_t task, active_request& request);
result<void> job_wait(session_parts::self_pointer self, uint64_t task, active_request& request);
result<void> job_cancel(session_parts::self_pointer self, uint64_t task, active_request& request);
result<void> job_retry(session_parts::self_pointer self, uint64_t task, active_request& request);
result<void> job_discard(session_parts::self_pointer self, uint64_t task, active_request& request);
result<void> job_list(session_parts::self_pointer self, uint64_t task, active_request& request);

} // namespace luna::commands
