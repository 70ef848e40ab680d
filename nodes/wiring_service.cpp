#include "nodes/wiring_service.hpp"

#include <caf/all.hpp>

#include <utility>

#include "actors/supervisor.hpp"

namespace luna {

namespace {

child_spec supervisor_child(const node_wiring& wiring) {
  std::vector<std::string> names;
  for (auto& node : wiring.configuration.cluster.nodes)
    names.push_back(node.name);
  auto start = [names](caf::actor_system& system,
                       node_parts& parts) -> result<caf::strong_actor_ptr> {
    // It learns epoch and mode from the nodes that join, this one first.
    parts.supervisor = system.spawn(supervisor, names, cluster_state{});
    return caf::actor_cast<caf::strong_actor_ptr>(parts.supervisor);
  };
  return {"supervisor", {}, start, [](node_parts& parts) { parts.supervisor = nullptr; }};
}

} // namespace

void add_services(const node_wiring& wiring, std::vector<child_spec>& children) {
  auto& configuration = wiring.configuration;
  if (configuration.node == configuration.cluster.nodes.front().name)
    children.push_back(supervisor_child(wiring));
}

} // namespace luna
