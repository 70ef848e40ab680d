#include <algorithm>
#include <map>
#include <set>

#include "base/nearest.hpp"
#include "nodes/configuration.hpp"
#include "nodes/configuration_values.hpp"

namespace luna {

namespace {

std::string in_quotes(const std::string& text) {
  return "'" + text + "'";
}

std::string element(const char* list, size_t i) {
  return std::string{list} + "[" + std::to_string(i) + "]";
}

class checker {
public:
  explicit checker(const cluster_configuration& configuration) : all_(configuration) {
    for (const auto& node : all_.nodes)
      node_names_.push_back(node.name);
  }

  std::vector<configuration_problem> run() {
    check_cluster();
    check_nodes();
    check_pools();
    check_saving();
    check_limits();
    return std::move(problems_);
  }

private:
  void add(std::string key, std::string text) {
    problems_.push_back({std::move(key), std::move(text)});
  }

  void check_cluster() {
    const auto& tls = all_.cluster.tls;
    const int given =
      (tls.ca.empty() ? 0 : 1) + (tls.certificate.empty() ? 0 : 1) + (tls.key.empty() ? 0 : 1);
    if (given == 1 || given == 2)
      add("cluster.tls", "needs ca, certificate and key together, or none of them");
    if (given == 0 && !tls.passphrase_file.empty())
      add("cluster.tls.passphrase-file", "belongs to a key, and there is none");
    if (all_.cluster.suspect_after < 2 * all_.cluster.heartbeat)
      add("cluster.suspect-after",
          "is shorter than two heartbeats, so every node would count as gone");
  }

  void check_nodes() {
    std::map<std::string, size_t> names;
    std::map<std::pair<std::string, uint16_t>, size_t> places;
    for (size_t i = 0; i < all_.nodes.size(); ++i) {
      const auto& node = all_.nodes[i];
      const auto path = element("nodes", i);
      if (node.name == "any")
        add(path + ".name", "'any' means every node, choose another name");
      if (!names.emplace(node.name, i).second)
        add(path + ".name", "another node has the name " + in_quotes(node.name) + " too");
      if (!places.emplace(std::pair{node.host, node.port}, i).second)
        add(path + ".port", "another node has the same host and port");
      if (node.port == 0 && all_.nodes.size() > 1)
        add(path + ".port", "the other nodes must know it, 0 is for a single node");
      check_security(node, path);
      check_devices(node, path);
    }
  }

  /// Off loopback nobody may speak who has not shown that he may.
  void check_security(const node_configuration& node, const std::string& path) {
    if (node.port != 0 && !is_loopback(node.bind) && !all_.cluster.tls.enabled())
      add(path + (node.bind == node.host ? ".host" : ".bind"),
          "listens on " + node.bind
            + ", which is not loopback: cluster.tls needs ca, certificate and key");
    if (node.gateway && !is_loopback(node.gateway->host) && all_.cluster.secret_file.empty())
      add(path + ".gateway", "listens on " + node.gateway->host
                               + ", which is not loopback: cluster.secret-file is needed");
  }

  void check_devices(const node_configuration& node, const std::string& path) {
    std::set<std::string> names;
    for (size_t i = 0; i < node.devices.size(); ++i) {
      const auto& device = node.devices[i];
      const auto at = path + "." + element("devices", i);
      if (!names.insert(device.name).second)
        add(at + ".name", "the device " + in_quotes(device.name) + " is listed twice");
      if (device.threads > 0 && device.name != "cpu")
        add(at + ".threads", "only the device 'cpu' has threads");
    }
  }

  void check_pools() {
    std::set<std::string> names;
    for (size_t i = 0; i < all_.pools.size(); ++i) {
      const auto& pool = all_.pools[i];
      const auto path = element("pools", i);
      if (!names.insert(pool.name).second)
        add(path + ".name", "another pool has the name " + in_quotes(pool.name) + " too");
      if (is_device_name(pool.name))
        add(path + ".name", in_quotes(pool.name) + " is the name of a device, choose another name");
      const auto* node = all_.find_node(pool.node);
      if (pool.node != "any" && node == nullptr) {
        auto known = node_names_;
        known.emplace_back("any");
        add(path + ".node",
            "there is no node " + in_quotes(pool.node) + did_you_mean(pool.node, known));
      }
      for (const auto& each : all_.nodes)
        if (pool.node == "any" || node == &each)
          check_pool_device(pool, each, path);
    }
  }

  void check_pool_device(const pool_configuration& pool, const node_configuration& node,
                         const std::string& path) {
    const auto listed = std::any_of(node.devices.begin(), node.devices.end(),
                                    [&](const auto& d) { return d.name == pool.device; });
    if (pool.device != "auto" && !node.devices.empty() && !listed)
      add(path + ".device", "the node " + in_quotes(node.name) + " does not list the device "
                              + in_quotes(pool.device));
  }

  void check_saving() {
    const auto& saving = all_.saving;
    if (all_.find_node(saving.node) == nullptr)
      add("saving.node",
          "there is no node " + in_quotes(saving.node) + did_you_mean(saving.node, node_names_));
    if (saving.min_workers > saving.max_workers)
      add("saving.min-workers", "is more than max-workers");
    for (size_t i = 0; i < saving.output_folders.size(); ++i)
      if (saving.output_folders[i] == "/")
        add(element("saving.output-folders", i), "the whole file system may not be written to");
    std::set<std::string> names = {"folder"};
    for (size_t i = 0; i < saving.targets.size(); ++i)
      if (!names.insert(saving.targets[i].name).second)
        add(element("saving.targets", i) + ".name",
            "the name " + in_quotes(saving.targets[i].name) + " is taken");
    if (saving.max_workers <= saving.targets.size())
      add("saving.max-workers", "must be more than the number of targets, "
                                  + std::to_string(saving.targets.size())
                                  + ": each has a worker of its own when others hang, and so have "
                                    "the folders");
  }

  void check_limits() {
    const auto& limits = all_.limits;
    if (limits.body > limits.buffers)
      add("limits.body", "is more than limits.buffers, so the largest body would never fit");
  }

  const cluster_configuration& all_;
  std::vector<std::string> node_names_;
  std::vector<configuration_problem> problems_;
};

} // namespace

std::vector<configuration_problem> cross_check(const cluster_configuration& configuration) {
  return checker{configuration}.run();
}

} // namespace luna
