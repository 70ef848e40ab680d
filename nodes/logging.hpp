#pragma once

#include "base/result.hpp"
#include "nodes/configuration.hpp"

namespace luna {

/// Makes spdlog's default logger what the configuration says: standard error or a file, text or one
/// JSON object a line. Call it once, before the first actor.
/// @returns `bad_request` if the file cannot be opened.
result<void> start_logging(const log_section& log);

/// Opens the log file anew, for whoever moved it away, and says in it that this was all.
void reopen_log();

} // namespace luna
