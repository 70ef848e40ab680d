#include "nodes/wiring_service.hpp"

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <random>
#include <utility>

#include "actors/cluster/supervisor.hpp"
#include "actors/gateway/gateway.hpp"
#include "actors/save/save_queue.hpp"
#include "storage/s3/s3_target.hpp"

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

storage::s3::s3_options plan_target(const target_configuration& x) {
  storage::s3::s3_options options;
  options.endpoint = x.endpoint;
  options.bucket = x.bucket;
  options.region = x.region;
  options.prefix = x.prefix;
  options.virtual_host = x.style == "virtual";
  options.conditional_puts = x.exclusive == "store";
  options.credentials_file = x.credentials_file;
  options.ca_file = x.ca_file;
  options.multipart_above = x.multipart_above;
  options.part_bytes = x.part_size;
  options.timeout = x.timeout;
  options.tries = x.tries;
  return options;
}

/// Credentials that are not there now may come later, without a restart: said, not refused.
void add_targets(const saving_section& saving, save_queue_options& to) {
  for (auto& x : saving.targets) {
    auto options = plan_target(x);
    if (auto ok = storage::s3::read_credentials(options.credentials_file); !ok)
      spdlog::error("the target {} cannot be used yet: {}", x.name, ok.error().message);
    to.targets[x.name] = std::make_shared<storage::s3::s3_target>(
      x.name, options, storage::s3::real_surroundings(options));
  }
}

/// Tells whoever started the node that it still reads its job log, at most once a second: one that
/// says so is not stuck.
std::function<void(size_t, size_t)> make_recovery_teller(std::string node) {
  auto last = std::chrono::steady_clock::now();
  return [node = std::move(node), last](size_t done, size_t all) mutable {
    auto now = std::chrono::steady_clock::now();
    if (now - last < std::chrono::seconds{1})
      return;
    last = now;
    std::printf("recovering node=%s done=%zu of=%zu\n", node.c_str(), done, all);
    std::fflush(stdout);
  };
}

save_queue_options plan_saves(const node_wiring& wiring) {
  auto& saving = wiring.configuration.cluster.saving;
  save_queue_options options;
  options.files = wiring.files;
  options.data = wiring.data;
  options.output_folders = saving.output_folders;
  options.store.spool_bytes = saving.spool;
  options.store.max_jobs = saving.max_jobs;
  options.store.attempts = saving.attempts;
  options.store.keep = saving.keep;
  options.store.clock = [] {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::now());
  };
  options.store.log.random = [] {
    std::random_device device;
    return uint64_t{device()} << 32 | device();
  };
  options.store.log.on_progress = make_recovery_teller(wiring.configuration.node);
  options.min_workers = saving.min_workers;
  options.max_workers = saving.max_workers;
  options.idle_timeout = saving.idle_timeout;
  add_targets(saving, options);
  return options;
}

child_spec save_child(const node_wiring& wiring) {
  auto start = [options =
                  plan_saves(wiring)](caf::actor_system& system,
                                      node_parts& parts) mutable -> result<caf::strong_actor_ptr> {
    options.events = parts.events;
    auto queue = start_save_queue(system, options);
    // Nobody reads the output of a node that is ready.
    options.store.log.on_progress = nullptr;
    if (!queue)
      return fail(queue);
    parts.saves = *queue;
    caf::anon_send(parts.directory, register_atom_v, parts.saves);
    caf::anon_send(parts.exchange, register_atom_v, parts.saves);
    return caf::actor_cast<caf::strong_actor_ptr>(parts.saves);
  };
  auto forget = [](node_parts& parts) {
    parts.saves = nullptr;
    caf::anon_send(parts.directory, register_atom_v, save_sink_actor{});
    caf::anon_send(parts.exchange, register_atom_v, save_sink_actor{});
  };
  return {"save_queue", {"directory", "exchange", "event_hub"}, start, forget};
}

gateway_options plan_gateway(const node_wiring& wiring) {
  auto& configuration = wiring.configuration;
  auto& limits = configuration.cluster.limits;
  gateway_options options;
  options.host = configuration.self().gateway->host;
  options.port = configuration.self().gateway->port;
  options.connections = limits.connections;
  options.handshakes = limits.handshakes;
  options.in_flight = limits.in_flight;
  options.hello_time = limits.hello_timeout;
  options.progress_time = limits.progress_timeout;
  if (!wiring.secret.empty())
    options.secret = wiring.secret;
  options.forbidden_commands = limits.forbidden_commands;
  options.buffers = wiring.buffers;
  options.context.version = LUNA_VERSION;
  options.context.node = configuration.node;
  options.context.cluster = configuration.cluster.cluster.name;
  options.context.starter_token = wiring.starter_token;
  options.context.limits.body_bytes = limits.body;
  return options;
}

child_spec gateway_child(const node_wiring& wiring) {
  auto start = [options = plan_gateway(wiring), address = wiring.gateway_address](
                 caf::actor_system& system,
                 node_parts& parts) mutable -> result<caf::strong_actor_ptr> {
    options.context.directory = parts.directory;
    options.context.exchange = parts.exchange;
    options.context.events = parts.events;
    options.context.node_manager = parts.manager;
    auto gateway = start_gateway(system, options);
    if (!gateway)
      return fail(gateway);
    // After a crash it listens where it listened before: clients come back to the same address.
    options.port = gateway->port;
    *address = fmt::format("{}", fmt::join(gateway->addresses, ","));
    parts.gateway = gateway->gateway;
    return caf::actor_cast<caf::strong_actor_ptr>(parts.gateway);
  };
  return {"gateway", {"directory", "exchange", "event_hub"}, start, [](node_parts& parts) {
            parts.gateway = nullptr;
          }};
}

} // namespace

void add_services(const node_wiring& wiring, std::vector<child_spec>& children) {
  auto& configuration = wiring.configuration;
  if (configuration.node == configuration.cluster.nodes.front().name)
    children.push_back(supervisor_child(wiring));
  if (configuration.node == configuration.cluster.saving.node)
    children.push_back(save_child(wiring));
  if (configuration.self().gateway)
    children.push_back(gateway_child(wiring));
}

} // namespace luna
