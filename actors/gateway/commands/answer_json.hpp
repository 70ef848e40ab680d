#pragma once

#include <vector>

#include "base/model_description.hpp"
#include "base/tiling.hpp"
#include "base/warning.hpp"
#include "protocol/header_json.hpp"

namespace luna::commands {

/// Warnings as replies have them: [{"code", "message", "count"?}, ...].
protocol::json to_json(const std::vector<warning>& warnings);

/// Adds what model_info tells.
void add_description(protocol::json& header, const model_description& x);

/// Adds "tiled" and "tiles".
void add_tiling(protocol::json& header, const tiling_report& x);

} // namespace luna::commands
