#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace luna::commands {

// What the one table of commands (commands.cpp) says of names, for hello and the configuration.

/// What is wrong with the names in `limits.forbidden-commands`: a sentence for each that the
/// protocol has neither as a name nor as an alias. Commands that this build does not have may be
/// forbidden.
std::vector<std::string> forbidden_problems(std::span<const std::string> forbidden);

/// What hello announces: the commands of this build and their aliases, without the forbidden ones.
/// @param forbidden names or aliases.
std::vector<std::string> announced_names(std::span<const std::string> forbidden = {});

/// The commands, and their aliases, that do not count as in flight while they wait.
std::vector<std::string> waiting_names();

/// The command behind an alias; the name itself if it is none.
std::string_view canonical_name(std::string_view name);

/// `unknown_command` that says whether the protocol has the command, or names the nearest one.
failure unknown_command(std::string_view name);

} // namespace luna::commands
