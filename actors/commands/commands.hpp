#pragma once

#include <cstdint>
#include <string_view>

#include "actors/session_parts.hpp"
#include "messages/result.hpp"

namespace luna::commands {

/// As what a request appears in the figures.
enum class count_as : uint8_t { nothing, other, clip, vae };

/// One command of the protocol.
struct command {
  std::string_view name;

  /// Reads and checks the request's fields, then answers it, now or later.
  /// @returns why it cannot be done: then the session answers with that.
  result<void> (*run)(session_parts::self_pointer self, uint64_t task, active_request& request);

  bool takes_body = false;
  count_as counted = count_as::other;
};

/// The command of that name (no alias), or nullptr.
const command* find_command(std::string_view name);

} // namespace luna::commands
