#pragma once

#include <string>

#include "actors/gateway/commands/commands.hpp"
#include "base/model_kind.hpp"

namespace luna::commands {

// Commands about the connection itself.

/// The reply to a ping, for whoever has its header: the connection answers small ones at once.
result<std::string> ping_reply(const protocol::json& header);

result<void> ping(session_parts::self_pointer self, uint64_t task, active_request& request);
result<void> subscribe(session_parts::self_pointer self, uint64_t task, active_request& request);
result<void> negotiate_ipc(session_parts::self_pointer self, uint64_t task,
                           active_request& request);

/// No more events for this client.
void end_subscription(session_parts::self_pointer self);

/// Reads the field `kinds`; empty if absent.
std::vector<model_kind> read_kinds(session_parts::field_reader& in);

} // namespace luna::commands
