#include "nodes/node_door.hpp"

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <chrono>

#include "actors/cluster/refusal_log.hpp"

namespace luna {

namespace {

listener_options plan_listener(const node_wiring& wiring) {
  auto& configuration = wiring.configuration;
  listener_options options;
  options.host = configuration.self().bind;
  options.port = configuration.self().port;
  options.tls = wiring.tls;
  for (auto& node : configuration.cluster.nodes)
    if (node.name != configuration.node)
      options.nodes.push_back(node.name);
  auto log = std::make_shared<refusal_log>(
    [node = configuration.node](const std::string& line) { spdlog::warn("{}: {}", node, line); });
  options.on_refusal = [log](const std::string& address, const std::string& problem) {
    log->add(address, problem, std::chrono::steady_clock::now());
  };
  return options;
}

} // namespace

result<void> node_door::open(caf::actor_system& system, const node_wiring& wiring,
                             const node_manager_actor& manager) {
  if (wiring.configuration.cluster.nodes.size() < 2)
    return {};
  std::lock_guard guard{mutex_};
  if (closed_)
    return {};
  auto options = plan_listener(wiring);
  options.on_link = publish_to(system, manager);
  auto listener = node_listener::start(std::move(options));
  if (!listener)
    return fail(listener.error().code,
                "node " + wiring.configuration.node + " " + listener.error().message);
  listener_ = std::move(*listener);
  return {};
}

void node_door::close() {
  std::lock_guard guard{mutex_};
  closed_ = true;
  listener_ = nullptr;
}

} // namespace luna
