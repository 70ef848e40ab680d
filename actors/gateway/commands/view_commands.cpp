#include "actors/gateway/commands/view_commands.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "actors/gateway/commands/connection_commands.hpp"

namespace luna::commands {

using namespace session_parts;

namespace {

/// The save queue's stats are left out when they do not come in this time.
constexpr std::chrono::milliseconds queue_patience{1000};

/// A device's name as it is told: with its node if there are several.
std::string device_name(const cluster_view& view, const node_snapshot& node,
                        const std::string& device) {
  return view.nodes.size() > 1 ? node.node + "/" + device : device;
}

double gigabytes(uint64_t bytes) {
  return std::round(static_cast<double>(bytes) / 1e7) / 100;
}

double milliseconds(uint32_t us) {
  return static_cast<double>(us) / 1000;
}

/// Equal as long as no node's files change; fits a double.
uint64_t combined_revision(const cluster_view& view) {
  if (view.nodes.size() == 1)
    return view.nodes.front().models_revision;
  uint64_t hash = 14695981039346656037U; // FNV-1a
  auto mix = [&](uint64_t x) {
    for (int i = 0; i < 64; i += 8)
      hash = (hash ^ (x >> i & 0xff)) * 1099511628211U;
  };
  for (auto& node : view.nodes) {
    for (auto c : node.node)
      mix(static_cast<unsigned char>(c));
    mix(node.models_revision);
  }
  return hash & ((uint64_t{1} << 53) - 1);
}

/// The devices that have a model in memory.
json loaded_devices(const cluster_view& view, const std::string& model, model_kind kind) {
  auto devices = json::array();
  for (auto& node : view.nodes)
    for (auto& device : node.devices)
      if (std::any_of(device.loaded.begin(), device.loaded.end(),
                      [&](auto& x) { return x.model == model && x.kind == kind; }))
        devices.push_back(device_name(view, node, device.name));
  return devices;
}

json to_json(const cluster_view& view, const model_row& row, model_kind kind) {
  json x{{"name", row.name},
         {"kind", to_string(kind)},
         {"folder", row.folder},
         {"bytes", row.bytes},
         {"modified", static_cast<double>(row.modified_ns) / 1e9}};
  if (!row.family.empty())
    x["family"] = row.family;
  x["loaded"] = loaded_devices(view, row.name, kind);
  return x;
}

json to_json(const node_snapshot& node, const device_row& x) {
  return {{"name", x.name},
          {"node", node.node},
          {"used_bytes", x.used_bytes},
          {"total_bytes", x.total_bytes},
          {"budget_bytes", x.budget_bytes}};
}

json to_json(const node_snapshot& node, const pool_row& x) {
  auto models = json::array();
  for (auto& device : node.devices)
    if (device.name == x.device)
      for (auto& loaded : device.loaded)
        if (loaded.kind == x.kind)
          models.push_back(loaded.model);
  return {{"name", x.name},
          {"kind", to_string(x.kind)},
          {"node", node.node},
          {"device", x.device},
          {"queued", x.queued},
          {"running", x.running},
          {"models", std::move(models)},
          {"completed", x.completed},
          {"failed", x.failed},
          {"p50_ms", milliseconds(x.p50_us)},
          {"p95_ms", milliseconds(x.p95_us)}};
}

/// This node's devices by their plain names, those of others with their nodes'.
json vram_json(const cluster_view& view) {
  auto vram = json::object();
  for (auto& node : view.nodes)
    for (auto& device : node.devices)
      if (device.name.starts_with("cuda"))
        vram[node.node == view.self ? device.name : node.node + "/" + device.name] = {
          {"used_gb", gigabytes(device.used_bytes)}, {"total_gb", gigabytes(device.total_bytes)}};
  return vram;
}

/// Adds what the save queue says of itself, or why it says nothing, and answers.
void answer_with_queue(self_pointer self, uint64_t task, json header) {
  auto patience = std::min(queue_patience, left(self, *find_request(self, task)));
  auto without = [self, task, header](const caf::error& err) mutable {
    header["save_queue"] = {{"problem", to_failure(err, "the save queue").message}};
    answer_json(self, task, header);
  };
  auto with = [self, task, header](const std::string& stats) mutable {
    auto queue = json::parse(stats, nullptr, false);
    header["save_queue"] = queue.is_object() ? std::move(queue) : json::object();
    answer_json(self, task, header);
  };
  self->request(self->state.context->directory, patience, find_atom_v)
    .then(
      [self, patience, with, without](const route& to) {
        self->request(to.saves, patience, status_atom_v).then(with, without);
      },
      without);
}

} // namespace

json models_json(const cluster_view& view, const std::vector<model_kind>& kinds) {
  std::map<std::tuple<std::string, std::string, model_kind>, const model_row*> rows;
  for (auto& node : view.nodes)
    for (auto& row : node.models)
      for (auto kind : row.kinds)
        if (kinds.empty() || std::find(kinds.begin(), kinds.end(), kind) != kinds.end()) {
          auto [place, added] = rows.try_emplace({row.folder, row.name, kind}, &row);
          if (!added && place->second->family.empty())
            place->second = &row; // another node has looked into the file
        }
  auto models = json::array();
  for (auto& [key, row] : rows)
    models.push_back(to_json(view, *row, std::get<model_kind>(key)));
  return {{"revision", combined_revision(view)}, {"models", std::move(models)}};
}

json status_json(const session_context& context, const cluster_view& view) {
  auto devices = json::array();
  auto nodes = json::array();
  auto pools = json::array();
  auto mode = attention_mode::automatic;
  for (auto& node : view.nodes) {
    nodes.push_back({{"name", node.node}, {"state", node.state}});
    for (auto& x : node.devices)
      devices.push_back(to_json(node, x));
    for (auto& x : node.pools)
      pools.push_back(to_json(node, x));
    if (node.node == view.self)
      mode = node.state_seen.mode;
  }
  auto& counters = *context.counters;
  auto uptime =
    std::chrono::duration<double>(std::chrono::steady_clock::now() - context.started).count();
  return {{"version", context.version},
          {"node", context.node},
          {"cluster", context.cluster},
          {"status", counters.draining ? "draining" : "running"},
          {"gateways", context.gateways},
          {"uptime_sec", std::round(uptime * 1000) / 1000},
          {"request_count", counters.requests.load()},
          {"clip_request_count", counters.clip_requests.load()},
          {"vae_request_count", counters.vae_requests.load()},
          {"attention_mode", to_string(mode)},
          {"devices", std::move(devices)},
          {"vram", vram_json(view)},
          {"nodes", std::move(nodes)},
          {"pools", std::move(pools)},
          {"caches", json::object()},
          {"save_queue", json::object()},
          {"connections", counters.connections.load()}};
}

result<void> list_models(self_pointer self, uint64_t task, active_request& request) {
  field_reader in{request.in->header};
  read_common(self, request, in);
  auto kinds = read_kinds(in);
  if (auto ok = in.finish(); !ok)
    return ok;
  auto done = [self, task, kinds](const cluster_view& view) {
    answer_json(self, task, models_json(view, kinds));
  };
  ask<cluster_view>(self, task, left(self, request), self->state.context->directory,
                    "the directory", done, list_atom_v);
  return {};
}

result<void> get_status(self_pointer self, uint64_t task, active_request& request) {
  field_reader in{request.in->header};
  read_common(self, request, in);
  if (auto ok = in.finish(); !ok)
    return ok;
  auto done = [self, task](const cluster_view& view) {
    answer_with_queue(self, task, status_json(*self->state.context, view));
  };
  ask<cluster_view>(self, task, left(self, request), self->state.context->directory,
                    "the directory", done, list_atom_v);
  return {};
}

} // namespace luna::commands
