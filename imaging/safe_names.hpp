#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace luna::imaging {

/// Names that every file system takes, and paths that stay where they belong. All checks are about
/// the text alone; who opens the files must not follow links out of the folder.
/// Thread rule: free functions without state, any thread.

/// The longest name of a file or folder, in bytes.
inline constexpr size_t longest_name = 255;

/// One component of a path, made safe: control characters and <>:"|?* become `_`, dots and spaces
/// at the end and spaces at the start go, a name that Windows reserves (CON, nul.txt, ...) gets a
/// `_` in front.
/// @pre `name` holds no slash.
std::string safe_name(std::string_view name);

/// A relative path, made safe component by component; `\` counts as `/`, empty components and "."
/// go. The result may be empty.
/// @param what names the text in errors, e.g. "save_path".
/// @returns `not_permitted` for an absolute path and for "..".
result<std::string> safe_relative_path(std::string_view path, std::string_view what);

/// Normalises an absolute path and checks that it is one of `allowed` or under one of them.
/// @returns the path without "." ".." and double slashes, or `not_permitted` that lists the allowed
/// folders.
result<std::string> confine(std::string_view path, const std::vector<std::string>& allowed,
                            std::string_view what);

} // namespace luna::imaging
