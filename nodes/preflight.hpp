#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "nodes/wiring.hpp"

namespace luna {

/// What a start finds outside of cluster.conf, for --check-config and for the start itself.
///
/// The problem: a configuration that was "good" must not fail at two in the morning for a key that
/// nobody can read. So both ask the same functions, and the check changes nothing.

/// Secret, TLS files, model folders, devices, vocabularies.
/// @param wiring what `prepare` made of the configuration.
/// @returns a sentence for each that is wrong.
std::vector<std::string> file_problems(const effective_configuration& configuration,
                                       const result<node_wiring>& wiring);

/// The folders and the log file that the node writes, the addresses that it listens at: what may
/// change until the start. @returns a sentence for each that could not be used now.
std::vector<std::string> place_problems(const effective_configuration& configuration);

/// Whether the node's addresses are this machine's and free now. First what the other nodes dial,
/// then the gateway: no client is let in where the node cannot start.
result<void> check_ports(const effective_configuration& configuration);

} // namespace luna
