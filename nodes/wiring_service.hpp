#pragma once

#include <vector>

#include "nodes/wiring.hpp"

namespace luna {

/// Adds the children that face people: the supervisor at its home, the save queue on the saving
/// node, the gateway where one is configured.
void add_services(const node_wiring& wiring, std::vector<child_spec>& children);

} // namespace luna
