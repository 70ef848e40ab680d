#pragma once

#include <cstdint>
#include <string_view>

#include "actors/gateway/commands/command_names.hpp"
#include "actors/gateway/session_parts.hpp"
#include "base/result.hpp"

namespace luna::commands {

/// As what a request appears in the statistics.
enum class count_as : uint8_t { nothing, other, clip, vae };

/// One command of the protocol: a row of the one table of them, in commands.cpp. Hello, dispatch,
/// `forbidden-commands` and the test of docs/protocol.md come from it.
struct command {
  std::string_view name;
  std::string_view alias = {}; ///< another name for it, or empty

  /// Reads and checks the request's fields, then answers it, now or later. Null: the protocol has
  /// the command, this build does not.
  /// @returns why it cannot be done: then the session answers with that.
  result<void> (*run)(session_parts::self_pointer self, uint64_t task,
                      active_request& request) = nullptr;

  bool takes_body = false;
  bool waits = false; ///< for an event, without work: does not count as in flight, ends at a drain
  count_as counted = count_as::other;
};

/// The command of that name (no alias) that this build has, or nullptr.
const command* find_command(std::string_view name);

} // namespace luna::commands
