#pragma once

#include <map>
#include <string>

#include "nodes/configuration.hpp"

namespace luna {

/// What must be the same in the configurations of all nodes, by key of cluster.conf: nodes that
/// differ in it would each be right alone and wrong together (two supervisors, saves that go to a
/// node that does not save). Nodes tell it each other when they meet. Everything else may differ.
std::map<std::string, std::string> agreement_of(const cluster_configuration& configuration);

} // namespace luna
