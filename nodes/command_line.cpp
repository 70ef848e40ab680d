#include "nodes/command_line.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "base/nearest.hpp"
#include "nodes/configuration_values.hpp"

namespace luna {

namespace {

void describe(CLI::App& app, command_line& out, std::string& gateway) {
  app
    .add_option("--config", out.config,
                "cluster.conf; without it: one node on loopback with every pool")
    ->option_text("FILE");
  app.add_option("--node", out.node, "which node of cluster.conf this is")->option_text("NAME");
  app.add_flag("--check-config", out.check_config, "check the configuration and stop");
  app.add_flag("--print-config", out.print_config, "print what is in force and stop");
  app
    .add_option("--gateway", gateway,
                "where clients connect, default " + to_string(default_gateway)
                  + "; port 0: any; \"\": no gateway")
    ->option_text("HOST:PORT");
  app.add_option("--data", out.data, "folder of epoch, job log and index")->option_text("DIR");
  app.add_option("--models", out.models, "a ComfyUI models folder; may be given several times")
    ->option_text("DIR")
    ->allow_extra_args(false);
  app.add_option("--extra-model-paths", out.extra_model_paths, "a ComfyUI extra_model_paths.yaml")
    ->option_text("FILE");
  app
    .add_option(
      "--output", out.output,
      "a folder that pictures may go to, default <data>/output; may be given several times")
    ->option_text("DIR")
    ->allow_extra_args(false);
  app
    .add_option("--starter-token", out.starter_token,
                "file with a token: clients of this machine that have it may add output folders")
    ->option_text("FILE");
  app.add_option("--log-level", out.log_level, "trace, debug, info, warn, error or off")
    ->option_text("LEVEL")
    ->check(CLI::IsMember(log_levels));
  app.set_version_flag("--version", "luna-node " LUNA_VERSION);
}

/// The command line's folders count from where the user stands.
std::string from_here(const std::string& path) {
  std::error_code ignored;
  return resolve_path(path, std::filesystem::current_path(ignored));
}

/// The name of this node among those of the configuration.
result<std::string> choose_node(const cluster_configuration& cluster, const command_line& options) {
  std::vector<std::string> names;
  std::string list;
  for (const auto& node : cluster.nodes) {
    names.push_back(node.name);
    list += (list.empty() ? "" : ", ") + node.name;
  }
  if (options.node.empty() && names.size() == 1)
    return names.front();
  if (options.node.empty())
    return fail(ec::bad_request, "--node is missing: " + options.config + " has the nodes " + list);
  if (std::find(names.begin(), names.end(), options.node) == names.end())
    return fail(ec::bad_request, "--node: there is no node '" + options.node + "'"
                                   + did_you_mean(options.node, names) + " The nodes are " + list);
  return options.node;
}

/// Puts the command line's values over those of the file.
result<void> override_with(const command_line& options, node_configuration& self,
                           cluster_configuration& cluster) {
  if (options.gateway) {
    self.gateway = parse_host_port(*options.gateway);
    if (!self.gateway && !options.gateway->empty())
      return fail(ec::bad_request,
                  "--gateway: expected HOST:PORT with a port from 0 to 65535, found '"
                    + *options.gateway + "'");
  }
  if (!options.models.empty())
    cluster.models.folders.clear();
  for (const auto& folder : options.models)
    cluster.models.folders.push_back(from_here(folder));
  if (!options.extra_model_paths.empty())
    cluster.models.extra_model_paths = from_here(options.extra_model_paths);
  if (!options.data.empty()) {
    // Output folders that followed from the data folder go with it.
    const std::vector<std::string> derived = {self.data + "/output"};
    if (cluster.saving.node == self.name && cluster.saving.output_folders == derived)
      cluster.saving.output_folders.clear();
    self.data = from_here(options.data);
  }
  if (!options.output.empty())
    cluster.saving.output_folders.clear();
  for (const auto& folder : options.output)
    cluster.saving.output_folders.push_back(from_here(folder));
  if (!options.log_level.empty())
    cluster.log.level = options.log_level;
  return {};
}

result<parsed_configuration> base_configuration(const command_line& options) {
  if (!options.config.empty())
    return read_configuration(options.config);
  return parsed_configuration{embedded_default(default_data_folder()), {}};
}

} // namespace

command_line_outcome parse_command_line(std::vector<std::string> arguments) {
  command_line_outcome out;
  command_line line;
  std::string gateway;
  CLI::App app{"luna-node: the server for everything around the diffusion model", "luna-node"};
  describe(app, line, gateway);
  std::reverse(arguments.begin(), arguments.end()); // CLI11 takes them from the back
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& e) {
    std::ostringstream text;
    out.exit_code = app.exit(e, text, text) == 0 ? 0 : 2;
    out.text = text.str();
    return out;
  }
  if (app.count("--gateway") > 0)
    line.gateway = gateway;
  out.run = std::move(line);
  return out;
}

result<effective_configuration> load_configuration(const command_line& options) {
  auto parsed = base_configuration(options);
  if (!parsed)
    return fail(parsed);
  effective_configuration out;
  out.cluster = std::move(parsed->value);
  out.not_built = std::move(parsed->not_built);
  const auto name = choose_node(out.cluster, options);
  if (!name)
    return fail(name);
  out.node = *name;
  auto& self = *std::find_if(out.cluster.nodes.begin(), out.cluster.nodes.end(),
                             [&](const auto& node) { return node.name == out.node; });
  if (const auto merged = override_with(options, self, out.cluster); !merged)
    return tl::make_unexpected(merged.error());
  if (!options.starter_token.empty())
    out.starter_token = from_here(options.starter_token);
  complete(out.cluster);
  std::string problems;
  for (const auto& [key, text] : cross_check(out.cluster))
    problems += (problems.empty() ? "" : "\n") + key + ": " + text;
  if (!problems.empty())
    return fail(ec::bad_request, problems);
  return out;
}

} // namespace luna
