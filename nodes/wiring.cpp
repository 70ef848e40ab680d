#include "nodes/wiring.hpp"

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "actors/catalog/model_catalog.hpp"
#include "actors/cluster/directory.hpp"
#include "actors/cluster/event_hub.hpp"
#include "actors/cluster/supervisor.hpp"
#include "actors/pool/model_pool.hpp"
#include "actors/transport/exchange.hpp"
#include "models/device.hpp"
#include "nodes/starter_token.hpp"
#include "nodes/tls_files.hpp"
#include "nodes/wiring_service.hpp"

namespace luna {

namespace {

namespace fs = std::filesystem;

/// A child that is an actor of the scheduler and one member of node_parts.
template <class Handle, class Start>
child_spec simple_child(std::string name, Handle node_parts::* part, Start start) {
  return {
    std::move(name),
    {},
    [part, start](caf::actor_system& system, node_parts& parts) -> result<caf::strong_actor_ptr> {
      parts.*part = start(system, parts);
      return caf::actor_cast<caf::strong_actor_ptr>(parts.*part);
    },
    [part](node_parts& parts) { parts.*part = nullptr; }};
}

directory_plan plan_directory(const effective_configuration& configuration) {
  auto& cluster = configuration.cluster;
  directory_plan plan;
  plan.self = configuration.node;
  plan.saving = cluster.saving.node;
  plan.aliases = cluster.models.aliases;
  for (auto& node : cluster.nodes)
    plan.nodes.push_back(node.name);
  for (auto& pool : cluster.pools)
    if (auto kind = model_kind_of(pool.kind))
      plan.pools.push_back({pool.node, pool.name, *kind});
  return plan;
}

catalog_options plan_catalog(const node_wiring& wiring) {
  catalog_options options;
  options.folders = wiring.folders.folders;
  options.aliases = wiring.configuration.cluster.models.aliases;
  return options;
}

/// The device that a pool runs on: its own, or for "auto" the first, which is a GPU if there is
/// one.
const device_options* device_of(const node_wiring& wiring, const pool_configuration& pool) {
  if (pool.device == "auto")
    return &wiring.devices.front();
  auto i = std::find_if(wiring.devices.begin(), wiring.devices.end(),
                        [&](auto& x) { return x.name == pool.device; });
  return i == wiring.devices.end() ? nullptr : &*i;
}

child_spec device_child(const device_options& options) {
  auto name = options.name;
  return {name,
          {},
          [options](caf::actor_system& system, node_parts& parts) -> result<caf::strong_actor_ptr> {
            device_actor handle = system.spawn(device_manager, options);
            parts.devices[options.name] = handle;
            return caf::actor_cast<caf::strong_actor_ptr>(handle);
          },
          [name](node_parts& parts) { parts.devices.erase(name); }};
}

child_spec pool_child(const node_wiring& wiring, const pool_configuration& pool, model_kind kind,
                      const std::string& device) {
  pool_options options;
  options.name = pool.name;
  options.kind = kind;
  options.device = device;
  options.precision = pool.precision;
  options.queue = pool.queue;
  options.max_reply_bytes = wiring.configuration.cluster.limits.body;
  options.vocabularies = wiring.vocabularies;
  options.embedding_folders = wiring.folders.of("embeddings");
  auto start = [options](caf::actor_system& system,
                         node_parts& parts) -> result<caf::strong_actor_ptr> {
    pool_actor handle = system.spawn(model_pool, options, parts.catalog,
                                     parts.devices.at(options.device), thread_policy::detached);
    parts.pools[options.name] = handle;
    caf::anon_send(parts.directory, register_atom_v, options.name, handle);
    caf::anon_send(parts.exchange, register_atom_v, options.name, handle);
    return caf::actor_cast<caf::strong_actor_ptr>(handle);
  };
  auto forget = [name = pool.name](node_parts& parts) {
    parts.pools.erase(name);
    caf::anon_send(parts.directory, register_atom_v, name, pool_actor{});
    caf::anon_send(parts.exchange, register_atom_v, name, pool_actor{});
  };
  // A name of its own kind: a pool may be called as a part of the node is.
  return {"pools/" + pool.name, {device, "catalog", "directory", "exchange"}, start, forget};
}

void add_pools(const node_wiring& wiring, std::vector<child_spec>& children) {
  auto& configuration = wiring.configuration;
  for (auto& pool : configuration.cluster.pools) {
    auto kind = model_kind_of(pool.kind);
    if (!serves(work_kinds(), *kind) || (pool.node != "any" && pool.node != configuration.node))
      continue;
    if (auto* device = device_of(wiring, pool))
      children.push_back(pool_child(wiring, pool, *kind, device->name));
    else
      spdlog::warn("pool {} is not started: node {} has no device {}", pool.name,
                   configuration.node, pool.device);
  }
}

child_spec catalog_child(const node_wiring& wiring) {
  auto spec = simple_child("catalog", &node_parts::catalog,
                           [options = plan_catalog(wiring)](caf::actor_system& system,
                                                            node_parts& parts) -> catalog_actor {
                             auto handle = system.spawn<caf::detached>(model_catalog, options,
                                                                       thread_policy::detached);
                             caf::anon_send(parts.directory, register_atom_v, handle);
                             return handle;
                           });
  spec.depends_on = {"directory"};
  return spec;
}

} // namespace

std::vector<child_spec> children_of(const node_wiring& wiring) {
  auto& configuration = wiring.configuration;
  std::vector<child_spec> children;
  children.push_back(simple_child("directory", &node_parts::directory,
                                  [plan = plan_directory(configuration)](auto& system, auto&) {
                                    return system.spawn(directory, plan);
                                  }));
  children.push_back(simple_child("event_hub", &node_parts::events,
                                  [](auto& system, auto&) { return system.spawn(event_hub); }));
  children.push_back(simple_child(
    "exchange", &node_parts::exchange,
    [buffers = wiring.buffers](auto& system, auto&) { return system.spawn(exchange, buffers); }));
  children.push_back(catalog_child(wiring));
  for (auto& device : wiring.devices)
    children.push_back(device_child(device));
  add_pools(wiring, children);
  add_services(wiring, children);
  return children;
}

result<std::string> find_vocabularies() {
  constexpr auto probe = "clip/bpe_simple_vocab_16e6.txt.gz";
  std::error_code ignored;
  auto program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  std::vector<fs::path> places;
  if (auto* share = std::getenv("LUNA_SHARE"))
    places.emplace_back(share);
  places.push_back(program / "../share/luna");        // installed
  places.push_back(program / "../../../.deps/share"); // built in a checkout
  std::string looked;
  for (auto& place : places) {
    if (fs::exists(place / probe, ignored))
      return fs::weakly_canonical(place, ignored).string();
    looked += (looked.empty() ? "" : ", ") + place.lexically_normal().string();
  }
  return fail(ec::bad_request, std::string{"the CLIP vocabulary "} + probe + " is not in " + looked
                                 + ": run scripts/setup, or set LUNA_SHARE to its folder");
}

namespace {

result<std::vector<device_options>> plan_devices(const node_configuration& node) {
  auto configured = node.devices;
  if (configured.empty()) {
    if (auto why = models::missing_gpu(); !why.empty())
      spdlog::warn("no GPU can be used ({}): this node computes on the CPU", why);
    auto names = models::available_devices();
    std::stable_partition(names.begin(), names.end(), [](auto& x) { return x != "cpu"; });
    for (auto& name : names)
      configured.push_back({name, 0, 0});
  }
  std::vector<device_options> devices;
  for (auto& x : configured) {
    auto options = make_device_options(x.name, x.memory, x.threads);
    if (!options)
      return fail(options);
    options->seed = static_cast<uint64_t>(::getpid());
    devices.push_back(std::move(*options));
  }
  return devices;
}

} // namespace

result<node_wiring> prepare(effective_configuration configuration) {
  node_wiring wiring;
  auto& cluster = configuration.cluster;
  auto folders = collect_model_folders(cluster.models);
  if (!folders)
    return fail(folders);
  auto devices = plan_devices(configuration.self());
  if (!devices)
    return fail(devices);
  auto vocabularies = find_vocabularies();
  if (!vocabularies)
    return fail(vocabularies);
  if (!cluster.cluster.secret_file.empty()) {
    auto secret = read_secret(cluster.cluster.secret_file);
    if (!secret)
      return fail(secret);
    wiring.secret = std::move(*secret);
  }
  if (!configuration.starter_token.empty()) {
    auto token = read_starter_token(configuration.starter_token);
    if (!token)
      return fail(token);
    wiring.starter_token = std::move(*token);
  }
  auto tls = open_tls(cluster.cluster.tls, configuration.node);
  if (!tls)
    return fail(tls);
  wiring.tls = std::move(*tls);
  wiring.folders = std::move(*folders);
  wiring.devices = std::move(*devices);
  wiring.vocabularies = std::move(*vocabularies);
  wiring.buffers = byte_budget::make(cluster.limits.buffers);
  wiring.gateway_address = std::make_shared<std::string>("-");
  wiring.configuration = std::move(configuration);
  return wiring;
}

} // namespace luna
