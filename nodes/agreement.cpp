#include "nodes/agreement.hpp"

namespace luna {

namespace {

void append(std::string& list, const std::string& text) {
  list += (list.empty() ? "" : ", ") + text;
}

} // namespace

std::map<std::string, std::string> agreement_of(const cluster_configuration& configuration) {
  std::map<std::string, std::string> agreement;
  auto& nodes = agreement["nodes"]; // the order, too: the first is the supervisor's home
  for (auto& node : configuration.nodes)
    append(nodes, node.name);
  auto& pools = agreement["pools"];
  for (auto& pool : configuration.pools)
    append(pools, pool.name + " (" + pool.kind + ") on " + pool.node);
  auto& aliases = agreement["models.aliases"];
  for (auto& [alias, file] : configuration.models.aliases)
    append(aliases, alias + " = " + file);
  agreement["saving.node"] = configuration.saving.node;
  return agreement;
}

} // namespace luna
