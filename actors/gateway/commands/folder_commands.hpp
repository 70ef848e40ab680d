#pragma once

#include <cstdint>

#include "actors/gateway/session_parts.hpp"
#include "base/result.hpp"

// The commands about output folders. See commands.hpp and output_folders.hpp.

namespace luna::commands {

/// Says what stands in a file that the client wrote: so it learns whether both mean one folder.
result<void> probe_folder(session_parts::self_pointer self, uint64_t task, active_request& request);

/// Adds an output folder, for a client of this machine that has the token of who started the node.
result<void> allow_output(session_parts::self_pointer self, uint64_t task, active_request& request);

} // namespace luna::commands
