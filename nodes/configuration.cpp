#include "nodes/configuration.hpp"

#include <caf/actor_system_config.hpp>
#include <caf/settings.hpp>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include "nodes/configuration_reader.hpp"
#include "nodes/configuration_text.hpp"
#include "nodes/configuration_values.hpp"
#include "nodes/private_file.hpp"

namespace luna {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr uint64_t mib = uint64_t{1} << 20;

/// Reads the sections one after the other into a configuration. Names of parts that are not built
/// are noted where they stand.
class configuration_loader {
public:
  configuration_loader(configuration_problems& problems) : problems_(problems) {}

  parsed_configuration load(section_reader& top) {
    top.section("cluster", [this](section_reader& in) { read_cluster(in); });
    const auto nodes = top.sections("nodes", [this](section_reader& in) { read_node(in); });
    if (nodes.value_or(0) == 0)
      top.wrong("nodes", "expected at least one node { name = \"...\", host = \"...\" }");
    top.section("models", [this](section_reader& in) { read_models(in); });
    const auto pools = top.sections("pools", [this](section_reader& in) { read_pool(in); });
    if (!pools)
      add_default_pools(out_.value);
    top.section("saving", [this](section_reader& in) { read_saving(in); });
    top.section("caches", [this](section_reader& in) { read_caches(in); });
    top.section("limits", [this](section_reader& in) { read_limits(in); });
    top.section("log", [this](section_reader& in) { read_log(in); });
    top.finish();
    return std::move(out_);
  }

  static void add_default_pools(cluster_configuration& to) {
    for (const auto& kind : pool_kinds())
      if (is_built_kind(kind)) {
        pool_configuration pool;
        pool.name = kind;
        pool.kind = kind;
        to.pools.push_back(std::move(pool));
      }
  }

private:
  void not_built(const std::string& path) {
    out_.not_built.push_back(path + " (line " + std::to_string(problems_.line_of(path)) + ")");
  }

  void read_cluster(section_reader& in) {
    auto& cluster = out_.value.cluster;
    in.name("name", cluster.name);
    in.file("secret-file", cluster.secret_file);
    in.section("tls", [&](section_reader& tls) {
      tls.file("ca", cluster.tls.ca);
      tls.file("certificate", cluster.tls.certificate);
      tls.file("key", cluster.tls.key);
      tls.file("passphrase-file", cluster.tls.passphrase_file);
    });
    in.duration("heartbeat", cluster.heartbeat, 10ms, 1min);
    in.duration("suspect-after", cluster.suspect_after, 20ms, 1h);
    in.duration("drain", cluster.drain, 0ms, 1h);
  }

  void read_node(section_reader& in) {
    node_configuration node;
    if (!in.has("name"))
      in.wrong("name", "expected a name for the node, it is missing");
    in.name("name", node.name);
    in.text("host", node.host);
    if (!is_host(node.host))
      in.wrong("host", "expected a host name or address, found \"" + node.host + '"');
    in.number("port", node.port, 0, 65535);
    in.text("bind", node.bind);
    if (!node.bind.empty() && !is_host(node.bind))
      in.wrong("bind", "expected an address of this machine, found \"" + node.bind + '"');
    in.endpoint("gateway", node.gateway);
    in.endpoint("monitor", node.monitor);
    if (node.monitor)
      not_built(in.name_of("monitor"));
    in.file("data", node.data);
    in.sections("devices", [&](section_reader& device) { read_device(device, node); });
    out_.value.nodes.push_back(std::move(node));
  }

  static void read_device(section_reader& in, node_configuration& node) {
    device_configuration device;
    in.text("name", device.name);
    if (!is_device_name(device.name))
      in.wrong("name",
               "expected \"cpu\" or \"cuda:0\", \"cuda:1\", ..., found \"" + device.name + '"');
    in.size("memory", device.memory, 64 * mib);
    in.number("threads", device.threads, 1, 1024);
    node.devices.push_back(std::move(device));
  }

  void read_models(section_reader& in) {
    auto& models = out_.value.models;
    in.files("folders", models.folders);
    in.file("extra-model-paths", models.extra_model_paths);
    in.text_map("aliases", models.aliases);
  }

  void read_pool(section_reader& in) {
    pool_configuration pool;
    in.name("name", pool.name);
    if (!in.has("name"))
      in.wrong("name", "expected a name for the pool, it is missing");
    in.choice("kind", pool.kind, pool_kinds());
    if (!in.has("kind"))
      in.wrong("kind", "expected the kind of the pool, it is missing");
    if (!pool.kind.empty() && !is_built_kind(pool.kind))
      not_built(in.path() + " of kind " + pool.kind);
    in.text("node", pool.node);
    in.text("device", pool.device);
    if (pool.device != "auto" && !is_device_name(pool.device))
      in.wrong("device", "expected \"auto\", \"cpu\" or \"cuda:0\", \"cuda:1\", ..., found \""
                           + pool.device + '"');
    in.choice("precision", pool.precision, {"exact"});
    in.number("queue", pool.queue, 1, 65536);
    out_.value.pools.push_back(std::move(pool));
  }

  void read_saving(section_reader& in) {
    auto& saving = out_.value.saving;
    in.text("node", saving.node);
    in.files("output-folders", saving.output_folders);
    in.number("min-workers", saving.min_workers, 1, 64);
    in.number("max-workers", saving.max_workers, 1, 64);
    in.duration("idle-timeout", saving.idle_timeout, 1s, 24h);
    in.size("spool", saving.spool, 64 * mib);
    in.duration("keep", saving.keep, 1min, 24h * 3650);
    in.number("max-jobs", saving.max_jobs, 1, 10'000'000);
    in.number("attempts", saving.attempts, 1, 100);
    in.mode("file-mode", saving.file_mode, 0600);
    in.mode("folder-mode", saving.folder_mode, 0700);
    in.sections("targets", [this](section_reader& target) { read_target(target); });
  }

  void read_target(section_reader& in) {
    target_configuration target;
    in.name("name", target.name);
    if (!in.has("name"))
      in.wrong("name", "expected a name for the target, it is missing");
    in.choice("kind", target.kind, {"s3"});
    in.text("endpoint", target.endpoint);
    if (!is_origin(target.endpoint))
      in.wrong("endpoint",
               "expected \"https://host\" or \"http://host:port\" without a path, found \""
                 + target.endpoint + '"');
    in.text("bucket", target.bucket);
    if (!is_bucket_name(target.bucket))
      in.wrong("bucket", "expected 3 to 63 small letters, digits, dots and dashes, found \""
                           + target.bucket + '"');
    in.name("region", target.region);
    in.text("prefix", target.prefix);
    in.choice("style", target.style, {"path", "virtual"});
    in.choice("exclusive", target.exclusive, {"store", "ask"});
    in.file("credentials-file", target.credentials_file);
    in.file("ca-file", target.ca_file);
    in.size("multipart-above", target.multipart_above, 5 * mib);
    in.size("part-size", target.part_size, 5 * mib);
    in.duration("timeout", target.timeout, 1s, 10min);
    in.number("tries", target.tries, 1, 20);
    out_.value.saving.targets.push_back(std::move(target));
  }

  void read_caches(section_reader& in) {
    for (const auto* key : {"lora", "conditioning"})
      if (in.has(key))
        not_built(in.name_of(key));
    in.size("lora", out_.value.caches.lora, 0);
    in.size("conditioning", out_.value.caches.conditioning, 0);
  }

  void read_limits(section_reader& in) {
    auto& limits = out_.value.limits;
    in.number("connections", limits.connections, 1, 65536);
    in.number("handshakes", limits.handshakes, 1, 65536);
    in.number("in-flight", limits.in_flight, 1, 65536);
    in.size("body", limits.body, mib);
    in.size("buffers", limits.buffers, mib);
    in.texts("forbidden-commands", limits.forbidden_commands);
    in.duration("hello-timeout", limits.hello_timeout, 100ms, 10min);
    in.duration("progress-timeout", limits.progress_timeout, 100ms, 10min);
  }

  void read_log(section_reader& in) {
    auto& log = out_.value.log;
    in.choice("level", log.level, {"trace", "debug", "info", "warn", "error", "off"});
    in.file("file", log.file);
    in.choice("format", log.format, {"text", "json"});
  }

  configuration_problems& problems_;
  parsed_configuration out_;
};

/// CAF's parser over the scanned text.
result<caf::settings> parse_values(const configuration_text& text, const std::string& file_name) {
  std::istringstream in{text.clean};
  auto values = caf::actor_system_config::parse_config(in);
  if (!values)
    return fail(ec::bad_request, file_name + ": CAF's parser refuses it: "
                                   + caf::actor_system_config::render(values.error()));
  return std::move(*values);
}

} // namespace

const node_configuration* cluster_configuration::find_node(std::string_view name) const {
  const auto at =
    std::find_if(nodes.begin(), nodes.end(), [&](const auto& node) { return node.name == name; });
  return at == nodes.end() ? nullptr : &*at;
}

result<parsed_configuration> parse_configuration(std::string_view text,
                                                 const std::string& file_name,
                                                 const std::filesystem::path& base) {
  const auto scanned = scan_configuration(text, file_name);
  if (!scanned)
    return fail(scanned);
  const auto values = parse_values(*scanned, file_name);
  if (!values)
    return fail(values);
  configuration_problems problems{file_name, *scanned};
  section_reader top{*values, "", problems, base};
  auto parsed = configuration_loader{problems}.load(top);
  complete(parsed.value);
  if (problems.empty())
    for (const auto& [key, what] : cross_check(parsed.value))
      problems.add(key, what);
  if (!problems.empty())
    return fail(ec::bad_request, problems.message());
  return parsed;
}

result<parsed_configuration> read_configuration(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  if (!in)
    return fail(ec::bad_request,
                file.string() + ": cannot be read, check the path and its permissions");
  return parse_configuration(text, file.string(), std::filesystem::absolute(file).parent_path());
}

cluster_configuration embedded_default(const std::string& data) {
  cluster_configuration out;
  node_configuration node;
  node.name = "local";
  node.port = 0;
  node.gateway = host_port{"127.0.0.1", 19283};
  node.data = data;
  out.nodes.push_back(std::move(node));
  configuration_loader::add_default_pools(out);
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
