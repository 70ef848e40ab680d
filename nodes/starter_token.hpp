#pragma once

#include <filesystem>
#include <string>

#include "base/result.hpp"

namespace luna {

/// The token of the program that started this node: who can read it may add output folders.
/// @returns `not_permitted` if the file cannot be read, is too short, or is not its owner's alone.
result<std::string> read_starter_token(const std::filesystem::path& file);

} // namespace luna
