#pragma once

#include "actors/cluster/directory.hpp"
#include "actors/gateway/commands/commands.hpp"
#include "base/model_kind.hpp"

namespace luna::commands {

// What the cluster is and has: list_models, get_info, get_status.

result<void> list_models(session_parts::self_pointer self, uint64_t task, active_request& request);

/// Also get_info.
result<void> get_status(session_parts::self_pointer self, uint64_t task, active_request& request);

/// The model files of all nodes, a row for each kind that a file serves.
/// @param kinds empty: all.
protocol::json models_json(const cluster_view& view, const std::vector<model_kind>& kinds);

/// The reply of get_status without the save queue.
protocol::json status_json(const session_context& context, const cluster_view& view);

} // namespace luna::commands
