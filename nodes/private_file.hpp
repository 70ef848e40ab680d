#pragma once

#include <string>

#include "base/result.hpp"

namespace luna {

/// Whether a file with a secret is one that strangers cannot read or change: it belongs to the
/// node's user or root, others have no rights, its group may at most read (clients of other users
/// share the secret of the node that way).
/// @param what how the sentence names the file: "the secret file".
/// @returns `not_permitted` with what to do; also for a file that is not there or no regular one.
result<void> check_private_file(const std::string& path, const std::string& what);

} // namespace luna
