#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace luna {

/// cluster.conf: one file that is the same on every node.
///
/// The problem: a cluster half of whose nodes read a key wrongly is worse than one that does not
/// start. So every key is checked before anything runs; an unknown one is an error; every error
/// names file, line, key and what was expected. A key has its default here, at its field; its name,
/// type, range and meaning stand in the table (configuration_table.cpp) that users read in
/// docs/configuration.md. The comments here say what is not in it.
///
/// Thread rule: plain values and free functions without state, any thread.

/// Host and port of something that listens.
struct host_port {
  std::string host;
  uint16_t port = 0; ///< 0 = any

  friend bool operator==(const host_port&, const host_port&) = default;
};

/// "127.0.0.1:19283"; an IPv6 address stands in brackets.
std::string to_string(const host_port& endpoint);

/// Between nodes: ca, certificate and key together, or none of them.
struct tls_configuration {
  std::string ca;
  std::string certificate;
  std::string key;
  std::string passphrase_file;

  bool enabled() const noexcept { return !ca.empty(); }
  friend bool operator==(const tls_configuration&, const tls_configuration&) = default;
};

struct cluster_section {
  std::string name = "luna";
  std::string secret_file; ///< "" = clients need none
  tls_configuration tls;
  std::chrono::milliseconds heartbeat{1000};
  std::chrono::milliseconds suspect_after{10000};
  std::chrono::milliseconds drain{30000};

  friend bool operator==(const cluster_section&, const cluster_section&) = default;
};

struct device_configuration {
  std::string name;
  uint64_t memory = 0;  ///< bytes; 0 = chosen from what the device has
  uint32_t threads = 0; ///< 0 = all cores

  friend bool operator==(const device_configuration&, const device_configuration&) = default;
};

struct node_configuration {
  std::string name;
  std::string host = "127.0.0.1";
  uint16_t port = 19290;
  std::string bind; ///< "" = host
  std::optional<host_port> gateway;
  std::optional<host_port> monitor;
  std::string data;                          ///< absolute
  std::vector<device_configuration> devices; ///< empty = every GPU, and the CPU

  friend bool operator==(const node_configuration&, const node_configuration&) = default;
};

struct models_section {
  std::vector<std::string> folders;           ///< absolute
  std::string extra_model_paths;              ///< absolute, or ""
  std::map<std::string, std::string> aliases; ///< name in requests -> file name

  friend bool operator==(const models_section&, const models_section&) = default;
};

struct pool_configuration {
  std::string name;
  std::string kind;
  std::string node = "any";
  std::string device = "auto";
  std::string precision = "exact";
  uint32_t queue = 256;

  friend bool operator==(const pool_configuration&, const pool_configuration&) = default;
};

/// An object store that pictures can go to.
struct target_configuration {
  std::string name;
  std::string kind = "s3";
  std::string endpoint;
  std::string bucket;
  std::string region = "us-east-1";
  std::string prefix;
  std::string style = "path";
  std::string exclusive = "store";
  std::string credentials_file; ///< "" = the AWS_ variables of the environment
  std::string ca_file;          ///< "" = the system's authorities
  uint64_t multipart_above = uint64_t{64} << 20;
  uint64_t part_size = uint64_t{16} << 20;
  std::chrono::milliseconds timeout{30000};
  uint32_t tries = 4;

  friend bool operator==(const target_configuration&, const target_configuration&) = default;
};

struct saving_section {
  std::string node;                        ///< "" until `complete`
  std::vector<std::string> output_folders; ///< absolute; none until `complete`
  uint32_t min_workers = 2;
  uint32_t max_workers = 4;
  std::chrono::milliseconds idle_timeout{300000};
  uint64_t spool = uint64_t{20} << 30;
  std::chrono::milliseconds keep{std::chrono::hours{168}};
  uint64_t max_jobs = 100000;
  uint32_t attempts = 5;
  std::vector<target_configuration> targets;
  uint32_t file_mode = 0;   ///< 0644 and so on; 0 = as the process's umask has it
  uint32_t folder_mode = 0; ///< the same

  friend bool operator==(const saving_section&, const saving_section&) = default;
};

/// Not built yet.
struct caches_section {
  uint64_t lora = uint64_t{8} << 30;
  uint64_t conditioning = uint64_t{1} << 30;

  friend bool operator==(const caches_section&, const caches_section&) = default;
};

struct limits_section {
  uint32_t connections = 256;
  uint32_t handshakes = 64;
  uint32_t in_flight = 64;
  uint64_t body = uint64_t{1} << 30;
  uint64_t buffers = uint64_t{4} << 30;
  std::vector<std::string> forbidden_commands;
  std::chrono::milliseconds hello_timeout{10000};
  std::chrono::milliseconds progress_timeout{30000};

  friend bool operator==(const limits_section&, const limits_section&) = default;
};

struct log_section {
  std::string level = "info";
  std::string file; ///< "" = standard error
  std::string format = "text";

  friend bool operator==(const log_section&, const log_section&) = default;
};

struct cluster_configuration {
  cluster_section cluster;
  std::vector<node_configuration> nodes; ///< at least one; the first is the supervisor's home
  models_section models;
  std::vector<pool_configuration> pools;
  saving_section saving;
  caches_section caches;
  limits_section limits;
  log_section log;

  /// The node of that name, or nullptr.
  const node_configuration* find_node(std::string_view name) const;

  friend bool operator==(const cluster_configuration&, const cluster_configuration&) = default;
};

/// A configuration that was read, and what should be said once at start.
struct parsed_configuration {
  cluster_configuration value;

  /// Keys of parts that this build does not have, e.g. "caches.lora (line 61)".
  std::vector<std::string> not_built;
};

/// Reads cluster.conf from its text; nothing is opened.
/// @param file_name stands in front of every error.
/// @param base folder that relative paths in the text count from; "~/" is the home folder.
/// @returns every default filled in (see `complete`), or `bad_request` whose message has a line for
/// each error: `cluster.conf:12: nodes[0].prot: unknown key, did you mean 'port'?`
result<parsed_configuration> parse_configuration(std::string_view text,
                                                 const std::string& file_name = "cluster.conf",
                                                 const std::filesystem::path& base = "/");

/// The same from a file; relative paths in it count from its folder.
result<parsed_configuration> read_configuration(const std::filesystem::path& file);

/// Without a `pools` section: one of every kind that is built, on every node.
std::vector<pool_configuration> default_pools();

/// Where clients connect without a file.
inline const host_port default_gateway{"127.0.0.1", 19283};

/// Without a file: one node "local" on loopback, `default_gateway`, every pool.
/// @param data its data folder, absolute.
cluster_configuration embedded_default(const std::string& data);

/// $XDG_STATE_HOME/luna, else ~/.local/state/luna, else /var/lib/luna.
std::string default_data_folder();

/// Fills in what follows from other keys: bind, data, saving.node, output-folders. Idempotent.
void complete(cluster_configuration& configuration);

/// Something that no single key shows.
struct configuration_problem {
  std::string key;  ///< where, e.g. "pools[0].node"
  std::string text; ///< what is wrong and what to do
};

/// Unique names, references, secret and TLS off loopback, bounds that must fit each other.
/// @pre `complete` was called.
std::vector<configuration_problem> cross_check(const cluster_configuration& configuration);

/// The whole configuration in the syntax of the file; reading it again gives an equal value.
std::string print_configuration(const cluster_configuration& configuration);

/// Whether a host can be reached from this machine only: 127.0.0.0/8, ::1, localhost.
bool is_loopback(std::string_view host);

/// The shared secret of clients: the file's bytes without a trailing newline, at least 16. Refused
/// if strangers can read it (nodes/private_file.hpp).
/// @param what how a sentence names it.
result<std::string> read_secret(const std::filesystem::path& file,
                                const std::string& what = "cluster.secret-file: the file");

} // namespace luna
