#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "nodes/configuration.hpp"

namespace luna {

/// What `luna-node` was called with. Thread rule: plain values and free functions without state.
struct command_line {
  std::string config; ///< "" = the embedded default
  std::string node;   ///< "" = the only node
  bool check_config = false;
  bool print_config = false;
  std::optional<std::string> gateway; ///< HOST:PORT, or "" for none
  std::string data;
  std::vector<std::string> models;
  std::string extra_model_paths;
  std::vector<std::string> output;
  std::string log_level;
  std::string starter_token; ///< file with the token of the program that starts the node, or ""
};

/// The command line, or what to print and how to exit when there is nothing to run.
struct command_line_outcome {
  std::optional<command_line> run;
  std::string text;  ///< for standard output if exit_code is 0, else for standard error
  int exit_code = 0; ///< 0 after --help and --version, 2 for wrong arguments
};

/// @param arguments without the program's name.
command_line_outcome parse_command_line(std::vector<std::string> arguments);

/// What a node runs on: the file (or the embedded default) with the command line's overrides,
/// completed and cross-checked.
struct effective_configuration {
  cluster_configuration cluster;
  std::string node; ///< the name of this node, which is in `cluster`
  std::vector<std::string> not_built;
  std::string starter_token; ///< file, or "": no client may add output folders

  const node_configuration& self() const { return *cluster.find_node(node); }
};

/// Reads the configuration file, if one is named, and merges. Relative paths count from the current
/// folder. @returns `bad_request` with a line for each problem.
result<effective_configuration> load_configuration(const command_line& options);

} // namespace luna
