#include "bench/node_process.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

namespace luna::bench {

result<node_process> node_process::start(const options& with) {
  auto folder = temporary_folder::make(with.folder);
  if (!folder)
    return fail(folder);
  auto models = folder->path() + "/models";
  std::filesystem::create_directory(models);
  auto process =
    child_process::start({with.node, "--gateway", "127.0.0.1:0", "--data", folder->path() + "/data",
                          "--models", models, "--log-level", "warn"});
  if (!process)
    return fail(process);
  node_process node{std::move(*folder), std::move(*process)};
  auto line = node.process_.read_line();
  if (!line)
    return fail(line);
  auto colon = line->rfind(':');
  if (line->compare(0, 6, "ready ") != 0 || colon == std::string::npos)
    return fail(ec::internal, "luna-node did not say where it is: " + *line);
  node.port_ = static_cast<uint16_t>(std::atoi(line->c_str() + colon + 1));
  return node;
}

result<protocol::client> node_process::connect() const {
  protocol::client_options at;
  at.port = port_;
  at.name = "luna-bench/" LUNA_VERSION;
  return protocol::client::connect(at);
}

} // namespace luna::bench
