#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.hpp"
#include "storage/file_system.hpp"

namespace luna::storage {

/// Who a node is among others that write to the same places: 128 random bits in hex, made at the
/// first start and kept in the file `identity` of the data folder. A damaged file is replaced: what
/// carries the old identity is then nobody's, and stays.
/// @param random 64 random bits at each call.
result<std::string> node_identity(directory& data, const std::function<uint64_t()>& random);

} // namespace luna::storage
