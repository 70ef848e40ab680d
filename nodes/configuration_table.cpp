#include "nodes/configuration_key.hpp"
#include "nodes/configuration_values.hpp"

namespace luna {

namespace {

using namespace std::chrono_literals;

constexpr uint64_t mib = uint64_t{1} << 20;

// -- sections -------------------------------------------------------------------------------------

configuration_keys rows(cluster_section& cluster);
configuration_keys rows(tls_configuration& tls);
configuration_keys rows(node_configuration& node);
configuration_keys rows(device_configuration& device);
configuration_keys rows(models_section& models);
configuration_keys rows(pool_configuration& pool);
configuration_keys rows(saving_section& saving);
configuration_keys rows(target_configuration& target);
configuration_keys rows(caches_section& caches);
configuration_keys rows(limits_section& limits);
configuration_keys rows(log_section& log);

configuration_key key(std::string name, configuration_value value, std::string help = "",
                      key_traits traits = {}) {
  return {std::move(name), std::move(value), std::move(help), std::move(traits), ""};
}

/// The rows of a section, with its defaults from a fresh one.
template <class T>
configuration_keys bound(T& section) {
  T fresh;
  auto keys = rows(section);
  const auto initial = rows(fresh);
  for (size_t i = 0; i < keys.size(); ++i)
    keys[i].initial = initial[i].value.print();
  return keys;
}

template <class T>
configuration_value section(T& field) {
  configuration_value value;
  value.sections = [&field] { return std::vector<configuration_keys>{bound(field)}; };
  value.print = [&field] {
    const auto lines = print_keys(bound(field));
    return lines.empty() ? "" : print_block('{', lines, '}');
  };
  return value;
}

template <class T>
configuration_value list(std::vector<T>& field) {
  configuration_value value;
  value.type = "list of sections";
  value.sections = [&field] {
    std::vector<configuration_keys> all;
    for (auto& element : field)
      all.push_back(bound(element));
    return all;
  };
  value.resize = [&field](size_t size) { field.assign(size, T{}); };
  value.print = [&field] {
    std::string lines;
    for (auto& element : field)
      lines += print_block('{', print_keys(bound(element)), '}') + ",\n";
    return lines.empty() ? "" : print_block('[', lines, ']');
  };
  return value;
}

// -- the table ------------------------------------------------------------------------------------

configuration_keys rows(cluster_section& cluster) {
  return {
    key("name", name_value(cluster.name), "What the cluster is called."),
    key("secret-file", path_value(cluster.secret_file),
        "Shared secret of clients, at least 16 bytes; needed as soon as a gateway listens off "
        "loopback."),
    key("tls", section(cluster.tls)),
    key("heartbeat", duration_value(cluster.heartbeat, 10ms, 1min),
        "How often nodes tell each other that they are there."),
    key("suspect-after", duration_value(cluster.suspect_after, 20ms, 1h),
        "Silence after which a node counts as gone; at least two heartbeats."),
    key("drain", duration_value(cluster.drain, 0ms, 1h), "How long a stop waits for running work."),
  };
}

configuration_keys rows(tls_configuration& tls) {
  return {
    key("ca", path_value(tls.ca),
        "The authority of mutual TLS between nodes; `ca`, `certificate` and `key` together or "
        "none, needed as soon as a node listens off loopback."),
    key("certificate", path_value(tls.certificate), "It carries the node's name."),
    key("key", path_value(tls.key), "The certificate's private key."),
    key("passphrase-file", path_value(tls.passphrase_file), "The passphrase of the key."),
  };
}

configuration_keys rows(node_configuration& node) {
  return {
    key("name", name_value(node.name), "What `--node` and other keys call it; not `any`.",
        {.required = "a name for the node", .agreed = true}),
    key("host", text_value(node.host, is_host, "a host name or address"),
        "Where the other nodes reach it."),
    key("port", number_value(node.port, 0, 65535),
        "Node to node; 0 (a single node only): does not listen."),
    key("bind",
        text_value(
          node.bind, [](std::string_view text) { return text.empty() || is_host(text); },
          "an address of this machine"),
        "Where it listens for other nodes.", {.fallback = "`host`"}),
    key("gateway", address_value(node.gateway), "Where clients connect; port 0: any free one.",
        {.fallback = "no gateway on this node"}),
    key("monitor", address_value(node.monitor), "HTTP and WebSocket.",
        {.fallback = "none", .built = false}),
    key("data", path_value(node.data),
        "Epoch, job log and spool; locked, a second process refuses to start.",
        {.fallback = "`$XDG_STATE_HOME/luna/NAME`, else `~/.local/state/luna/NAME`"}),
    key("devices", list(node.devices), "What pools of this node may use, and nothing else.",
        {.fallback = "every GPU, and the CPU"}),
  };
}

configuration_keys rows(device_configuration& device) {
  constexpr auto devices = R"("cpu" or "cuda:0", "cuda:1", ...)";
  return {
    key("name", text_value(device.name, is_device_name, devices), "The device.",
        {.required = devices}),
    key("memory", size_value(device.memory, 64 * mib), "Budget for weights and work together.",
        {.fallback = "chosen from what the device has"}),
    key("threads", number_value(device.threads, 1, 1024), "Of a CPU.", {.fallback = "all cores"}),
  };
}

configuration_keys rows(models_section& models) {
  return {
    key("folders", paths_value(models.folders),
        "Each laid out as ComfyUI's `models`; the first that has a name wins."),
    key("extra-model-paths", path_value(models.extra_model_paths),
        "A ComfyUI `extra_model_paths.yaml`."),
    key("aliases", map_value(models.aliases), "Names for `model` in requests, with their files.",
        {.fallback = "none", .agreed = true}),
  };
}

configuration_keys rows(pool_configuration& pool) {
  return {
    key("name", name_value(pool.name), "Not that of a device.",
        {.required = "a name for the pool", .agreed = true}),
    key("kind", choice_value(pool.kind, pool_kinds),
        "What it serves; `vision` and `vlm` are not built yet.",
        {.required = "the kind of the pool", .agreed = true}),
    key("node", text_value(pool.node), "A node's name, or `any`: one on every node.",
        {.agreed = true}),
    key("device",
        text_value(
          pool.device, [](std::string_view text) { return text == "auto" || is_device_name(text); },
          R"("auto", "cpu" or "cuda:0", "cuda:1", ...)"),
        "`auto`: the first GPU, else the CPU."),
    key("precision", choice_value(pool.precision, {"exact"}), "ComfyUI's own numbers."),
    key("queue", number_value(pool.queue, 1, 65536), "Requests that may wait."),
  };
}

configuration_keys rows(saving_section& saving) {
  return {
    key("node", text_value(saving.node), "The node that saves.",
        {.fallback = "the first", .agreed = true}),
    key("output-folders", paths_value(saving.output_folders),
        "Nothing is written outside of these.",
        {.fallback = "`output` in the `data` of that node"}),
    key("min-workers", number_value(saving.min_workers, 1, 64), "At most `max-workers`."),
    key("max-workers", number_value(saving.max_workers, 1, 64), "More than there are targets."),
    key("idle-timeout", duration_value(saving.idle_timeout, 1s, 24h),
        "After which a worker above `min-workers` goes."),
    key("spool", size_value(saving.spool, 64 * mib), "Pictures that are not written yet."),
    key("keep", duration_value(saving.keep, 1min, 24h * 3650),
        "How long ended jobs are remembered."),
    key("max-jobs", number_value(saving.max_jobs, 1, 10'000'000),
        "Jobs remembered, whatever their state."),
    key("attempts", number_value(saving.attempts, 1, 100),
        "After these a job waits as failed for `job_retry`."),
    key("file-mode", mode_value(saving.file_mode, 0600),
        "Of pictures; `\"\"`: as the umask of the process has it."),
    key("folder-mode", mode_value(saving.folder_mode, 0700), "Of folders that are made for them."),
    key("targets", list(saving.targets),
        "Object stores; a task's `target` names one. Fewer than `max-workers`.",
        {.fallback = "none"}),
  };
}

configuration_keys rows(target_configuration& target) {
  constexpr auto origin = R"("https://host" or "http://host:port" without a path)";
  constexpr auto bucket = "3 to 63 small letters, digits, dots and dashes";
  return {
    key("name", name_value(target.name), "Not `folder`.", {.required = "a name for the target"}),
    key("kind", choice_value(target.kind, {"s3"}), "The protocol that it speaks."),
    key("endpoint", text_value(target.endpoint, is_origin, origin), "Where it is.",
        {.required = origin}),
    key("bucket", text_value(target.bucket, is_bucket_name, bucket), "The bucket.",
        {.required = bucket}),
    key("region", name_value(target.region), "Its region, as signatures name it."),
    key("prefix", text_value(target.prefix), "Before every key."),
    key("style", choice_value(target.style, {"path", "virtual"}),
        "`path`: host/bucket/key; `virtual`: bucket.host/key."),
    key("exclusive", choice_value(target.exclusive, {"store", "ask"}),
        "`store`: the store refuses a key that is taken (If-None-Match); `ask`: luna asks "
        "first, for stores that do not honour that."),
    key("credentials-file", path_value(target.credentials_file),
        "As AWS's own, mode 600; `\"\"`: the AWS_ variables of the environment."),
    key("ca-file", path_value(target.ca_file),
        "Authorities of its certificate; `\"\"`: the system's."),
    key("multipart-above", size_value(target.multipart_above, 5 * mib),
        "Larger objects go in parts."),
    key("part-size", size_value(target.part_size, 5 * mib), "The size of a part."),
    key("timeout", duration_value(target.timeout, 1s, 10min),
        "Without a byte in either direction."),
    key("tries", number_value(target.tries, 1, 20),
        "Of one request, before the target counts as away."),
  };
}

configuration_keys rows(caches_section& caches) {
  return {
    key("lora", size_value(caches.lora, 0), "Of LoRA weights.", {.built = false}),
    key("conditioning", size_value(caches.conditioning, 0), "Of encoded prompts.",
        {.built = false}),
  };
}

configuration_keys rows(limits_section& limits) {
  return {
    key("connections", number_value(limits.connections, 1, 65536), "Clients of one gateway."),
    key("handshakes", number_value(limits.handshakes, 1, 65536),
        "Peers that have not said hello, apart from the connections; a quarter of them from "
        "one address, those with clients do not count."),
    key("in-flight", number_value(limits.in_flight, 1, 65536), "Requests of one connection."),
    key("body", size_value(limits.body, mib),
        "One request's or reply's tensors; at most `buffers`."),
    key("buffers", size_value(limits.buffers, mib), "All bodies and transfers of a node together."),
    key("forbidden-commands", texts_value(limits.forbidden_commands),
        "Commands that no client may use, e.g. `shutdown`."),
    key("hello-timeout", duration_value(limits.hello_timeout, 100ms, 10min),
        "How long a peer may take to say hello."),
    key("progress-timeout", duration_value(limits.progress_timeout, 100ms, 10min),
        "How long a frame or a write may make no progress."),
  };
}

configuration_keys rows(log_section& log) {
  return {
    key("level", choice_value(log.level, log_levels), "The least that is logged."),
    key("file", path_value(log.file), "`\"\"`: standard error."),
    key("format", choice_value(log.format, {"text", "json"}),
        "Lines of text, or an object a line."),
  };
}

} // namespace

configuration_keys keys_of(cluster_configuration& all) {
  return {
    key("cluster", section(all.cluster)),
    key("nodes", list(all.nodes), "The first is the supervisor's home.",
        {.required = "at least one node { name = \"...\", host = \"...\" }"}),
    key("models", section(all.models)),
    key("pools", list(all.pools), "What runs where; `[]`: nothing.",
        {.fallback = "one of every kind that is built, on every node"}),
    key("saving", section(all.saving)),
    key("caches", section(all.caches)),
    key("limits", section(all.limits)),
    key("log", section(all.log)),
  };
}

} // namespace luna
