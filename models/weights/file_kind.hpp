#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace luna::models {

/// What a file is that is no safetensors file, told from its first bytes, and what to do: an HTML
/// page, a Git LFS pointer, a pickle, ... Empty if nothing is known of it.
/// @param first up to some hundred bytes from the start of the file.
std::string file_kind(std::span<const std::byte> first);

} // namespace luna::models
