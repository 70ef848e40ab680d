#pragma once

#include <cerrno>
#include <string>

#include "storage/io_result.hpp"

namespace luna::storage {

/// What an operating system's refusal of "cannot <verb> <path>" becomes.
tl::unexpected<io_failure> refuse(const char* verb, const std::string& path, int code = errno);

} // namespace luna::storage
