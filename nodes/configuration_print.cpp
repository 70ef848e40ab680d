#include <string>

#include "nodes/configuration.hpp"
#include "nodes/configuration_values.hpp"

namespace luna {

namespace {

std::string quoted_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += '\\';
    if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else
      out += c;
  }
  return out + '"';
}

std::string value_of(const std::string& x) {
  return quoted_text(x);
}
std::string value_of(const host_port& x) {
  return quoted_text(to_string(x));
}
std::string value_of(std::chrono::milliseconds x) {
  return format_duration(x);
}
template <class T>
  requires std::is_integral_v<T>
std::string value_of(T x) {
  return std::to_string(x);
}
std::string value_of(const std::vector<std::string>& list) {
  std::string out;
  for (const auto& x : list)
    out += (out.empty() ? "" : ", ") + quoted_text(x);
  return "[" + out + "]";
}

/// A size, which is a quoted text in the file.
struct bytes {
  uint64_t count;
};
std::string value_of(bytes x) {
  return quoted_text(format_size(x.count));
}

/// Writes indented lines.
class printer {
public:
  void open(const std::string& line) {
    out_ += std::string(depth_ * 2, ' ') + line + "\n";
    ++depth_;
  }
  void close(const std::string& line) {
    --depth_;
    out_ += std::string(depth_ * 2, ' ') + line + "\n";
  }
  template <class T>
  void key(const char* name, const T& value) {
    out_ += std::string(depth_ * 2, ' ') + name + " = " + value_of(value) + "\n";
  }
  std::string take() { return std::move(out_); }

private:
  std::string out_;
  size_t depth_ = 0;
};

void print_cluster(printer& out, const cluster_section& cluster) {
  out.open("cluster {");
  out.key("name", cluster.name);
  out.key("secret-file", cluster.secret_file);
  out.open("tls {");
  out.key("ca", cluster.tls.ca);
  out.key("certificate", cluster.tls.certificate);
  out.key("key", cluster.tls.key);
  out.key("passphrase-file", cluster.tls.passphrase_file);
  out.close("}");
  out.key("heartbeat", cluster.heartbeat);
  out.key("suspect-after", cluster.suspect_after);
  out.key("drain", cluster.drain);
  out.close("}");
}

void print_node(printer& out, const node_configuration& node) {
  out.open("{");
  out.key("name", node.name);
  out.key("host", node.host);
  out.key("port", node.port);
  out.key("bind", node.bind);
  if (node.gateway)
    out.key("gateway", *node.gateway);
  if (node.monitor)
    out.key("monitor", *node.monitor);
  out.key("data", node.data);
  if (!node.devices.empty()) {
    out.open("devices = [");
    for (const auto& device : node.devices) {
      out.open("{");
      out.key("name", device.name);
      if (device.memory > 0)
        out.key("memory", bytes{device.memory});
      if (device.threads > 0)
        out.key("threads", device.threads);
      out.close("},");
    }
    out.close("]");
  }
  out.close("},");
}

void print_models(printer& out, const models_section& models) {
  out.open("models {");
  out.key("folders", models.folders);
  out.key("extra-model-paths", models.extra_model_paths);
  out.open("aliases {");
  for (const auto& [alias, name] : models.aliases)
    out.key(alias.c_str(), name);
  out.close("}");
  out.close("}");
}

void print_pools(printer& out, const std::vector<pool_configuration>& pools) {
  out.open("pools = [");
  for (const auto& pool : pools) {
    out.open("{");
    out.key("name", pool.name);
    out.key("kind", pool.kind);
    out.key("node", pool.node);
    out.key("device", pool.device);
    out.key("precision", pool.precision);
    out.key("queue", pool.queue);
    out.close("},");
  }
  out.close("]");
}

void print_saving(printer& out, const saving_section& saving) {
  out.open("saving {");
  out.key("node", saving.node);
  out.key("output-folders", saving.output_folders);
  out.key("min-workers", saving.min_workers);
  out.key("max-workers", saving.max_workers);
  out.key("idle-timeout", saving.idle_timeout);
  out.key("spool", bytes{saving.spool});
  out.key("keep", saving.keep);
  out.key("max-jobs", saving.max_jobs);
  out.key("attempts", saving.attempts);
  out.key("file-mode", saving.file_mode == 0 ? "" : format_mode(saving.file_mode));
  out.key("folder-mode", saving.folder_mode == 0 ? "" : format_mode(saving.folder_mode));
  if (!saving.targets.empty()) {
    out.open("targets = [");
    for (const auto& target : saving.targets) {
      out.open("{");
      out.key("name", target.name);
      out.key("kind", target.kind);
      out.key("endpoint", target.endpoint);
      out.key("bucket", target.bucket);
      out.key("region", target.region);
      out.key("prefix", target.prefix);
      out.key("style", target.style);
      out.key("exclusive", target.exclusive);
      out.key("credentials-file", target.credentials_file);
      out.key("ca-file", target.ca_file);
      out.key("multipart-above", bytes{target.multipart_above});
      out.key("part-size", bytes{target.part_size});
      out.key("timeout", target.timeout);
      out.key("tries", target.tries);
      out.close("},");
    }
    out.close("]");
  }
  out.close("}");
}

void print_limits(printer& out, const limits_section& limits) {
  out.open("limits {");
  out.key("connections", limits.connections);
  out.key("handshakes", limits.handshakes);
  out.key("in-flight", limits.in_flight);
  out.key("body", bytes{limits.body});
  out.key("buffers", bytes{limits.buffers});
  out.key("forbidden-commands", limits.forbidden_commands);
  out.key("hello-timeout", limits.hello_timeout);
  out.key("progress-timeout", limits.progress_timeout);
  out.close("}");
}

} // namespace

std::string print_configuration(const cluster_configuration& configuration) {
  printer out;
  print_cluster(out, configuration.cluster);
  out.open("nodes = [");
  for (const auto& node : configuration.nodes)
    print_node(out, node);
  out.close("]");
  print_models(out, configuration.models);
  print_pools(out, configuration.pools);
  print_saving(out, configuration.saving);
  // At its defaults the section would only make the next reader warn.
  if (configuration.caches != caches_section{}) {
    out.open("caches {");
    out.key("lora", bytes{configuration.caches.lora});
    out.key("conditioning", bytes{configuration.caches.conditioning});
    out.close("}");
  }
  print_limits(out, configuration.limits);
  out.open("log {");
  out.key("level", configuration.log.level);
  out.key("file", configuration.log.file);
  out.key("format", configuration.log.format);
  out.close("}");
  return out.take();
}

} // namespace luna
