#include "nodes/preflight.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "actors/support/listening_socket.hpp"
#include "nodes/private_file.hpp"
#include "nodes/tls_files.hpp"

namespace luna {

namespace {

namespace fs = std::filesystem;

void add(std::vector<std::string>& problems, const result<void>& x) {
  if (!x)
    problems.push_back(x.error().message);
}

/// Whether a folder can be written, or made.
result<void> check_folder(const std::string& key, const std::string& folder) {
  std::error_code ignored;
  fs::path at = folder;
  while (!fs::exists(at, ignored) && at.has_relative_path())
    at = at.parent_path();
  if (!fs::is_directory(at, ignored))
    return fail(ec::not_permitted, key + ": " + at.string() + " is no folder");
  if (::access(at.c_str(), W_OK | X_OK) != 0)
    return fail(ec::not_permitted, key + ": the folder " + folder + " cannot be "
                                     + (at == fs::path{folder} ? "written: " : "made: ")
                                     + std::strerror(errno));
  return {};
}

result<void> check_log_file(const std::string& file) {
  std::error_code ignored;
  if (fs::is_directory(file, ignored))
    return fail(ec::bad_request, "log.file: " + file + " is a folder");
  auto there = fs::exists(file, ignored);
  auto folder = fs::path{file}.parent_path();
  if (::access(there ? file.c_str() : folder.c_str(), W_OK) != 0)
    return fail(ec::bad_request,
                "log.file: " + file + " cannot be written: " + std::strerror(errno));
  return {};
}

bool has_peers(const effective_configuration& configuration) {
  return configuration.cluster.nodes.size() > 1;
}

} // namespace

std::vector<std::string> file_problems(const effective_configuration& configuration,
                                       const result<node_wiring>& wiring) {
  std::vector<std::string> problems;
  auto& tls = configuration.cluster.cluster.tls;
  // What could be prepared has its TLS files; else another part may have failed before them.
  auto files = wiring ? result<void>{} : check_tls_files(tls, configuration.node);
  add(problems, files);
  if (files && tls.enabled()) {
    add(problems, check_private_file(tls.key, "cluster.tls.key: the file"));
    if (!tls.passphrase_file.empty())
      add(problems,
          check_private_file(tls.passphrase_file, "cluster.tls.passphrase-file: the file"));
  }
  if (!wiring && (files || files.error().message != wiring.error().message))
    problems.push_back(wiring.error().message);
  return problems;
}

std::vector<std::string> place_problems(const effective_configuration& configuration) {
  std::vector<std::string> problems;
  auto& cluster = configuration.cluster;
  auto& node = configuration.self();
  add(problems, check_folder("data", node.data));
  if (cluster.saving.node == node.name)
    for (auto& folder : cluster.saving.output_folders)
      add(problems, check_folder("saving.output-folders", folder));
  if (!cluster.log.file.empty())
    add(problems, check_log_file(cluster.log.file));
  if (has_peers(configuration))
    add(problems, listening_socket::check(node.bind, 0));
  if (node.gateway)
    add(problems, listening_socket::check(node.gateway->host, 0));
  return problems;
}

result<void> check_ports(const effective_configuration& configuration) {
  auto& node = configuration.self();
  if (has_peers(configuration))
    if (auto ok = listening_socket::check(node.bind, node.port); !ok)
      return fail(ec::unavailable, "node " + node.name + ": " + ok.error().message);
  if (node.gateway)
    if (auto ok = listening_socket::check(node.gateway->host, node.gateway->port); !ok)
      return fail(ec::unavailable, "the gateway: " + ok.error().message);
  return {};
}

} // namespace luna
