#include "nodes/configuration.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "nodes/configuration_key.hpp"
#include "nodes/configuration_values.hpp"
#include "nodes/private_file.hpp"

namespace luna {

const node_configuration* cluster_configuration::find_node(std::string_view name) const {
  const auto at =
    std::find_if(nodes.begin(), nodes.end(), [&](const auto& node) { return node.name == name; });
  return at == nodes.end() ? nullptr : &*at;
}

std::vector<pool_configuration> default_pools() {
  std::vector<pool_configuration> pools;
  for (const auto& kind : built_pool_kinds) {
    pools.emplace_back();
    pools.back().name = pools.back().kind = kind;
  }
  return pools;
}

cluster_configuration embedded_default(const std::string& data) {
  cluster_configuration out;
  node_configuration node;
  node.name = "local";
  node.port = 0;
  node.gateway = default_gateway;
  node.data = data;
  out.nodes.push_back(std::move(node));
  out.pools = default_pools();
  complete(out);
  return out;
}

std::string default_data_folder() {
  const auto absolute = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value != nullptr && value[0] == '/' ? value : "";
  };
  if (const auto state = absolute("XDG_STATE_HOME"); !state.empty())
    return state + "/luna";
  if (const auto home = absolute("HOME"); !home.empty())
    return home + "/.local/state/luna";
  return "/var/lib/luna";
}

void complete(cluster_configuration& configuration) {
  for (auto& node : configuration.nodes) {
    if (node.bind.empty())
      node.bind = node.host;
    if (node.data.empty())
      node.data = default_data_folder() + "/" + node.name;
  }
  auto& saving = configuration.saving;
  if (saving.node.empty() && !configuration.nodes.empty())
    saving.node = configuration.nodes.front().name;
  const auto* saver = configuration.find_node(saving.node);
  if (saving.output_folders.empty() && saver != nullptr)
    saving.output_folders.push_back(saver->data + "/output");
}

std::string print_configuration(const cluster_configuration& configuration) {
  auto bound = configuration;
  // A file without the key would have pools.
  return print_keys(keys_of(bound)) + (bound.pools.empty() ? "pools = []\n" : "");
}

result<std::string> read_secret(const std::filesystem::path& file, const std::string& what) {
  const auto name = what + " " + file.string();
  if (auto ok = check_private_file(file.string(), what); !ok)
    return fail(ok);
  std::ifstream in{file, std::ios::binary};
  std::string secret{std::istreambuf_iterator<char>{in}, {}};
  if (!in)
    return fail(ec::bad_request, name + " cannot be read");
  if (secret.ends_with("\r\n"))
    secret.resize(secret.size() - 2);
  else if (secret.ends_with('\n'))
    secret.pop_back();
  if (secret.size() < 16)
    return fail(ec::bad_request, name + " holds " + std::to_string(secret.size())
                                   + " bytes, a secret has at least 16");
  return secret;
}

} // namespace luna
