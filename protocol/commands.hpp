#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "messages/result.hpp"

namespace luna::protocol {

/// The commands of the protocol by name, and which of them this build has.

/// The commands that this build has, without aliases.
std::span<const std::string_view> built_commands();

/// What hello announces: the built commands and their aliases, without the forbidden ones.
std::vector<std::string> announced_commands(std::span<const std::string> forbidden = {});

/// The command behind an alias; the name itself if it is none.
std::string_view canonical_command(std::string_view name);

/// `unknown_command` that says whether the protocol has the command, or names the nearest one.
failure unknown_command(std::string_view name);

} // namespace luna::protocol
