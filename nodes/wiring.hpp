#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actors/cluster/node_manager.hpp"
#include "actors/device/device_manager.hpp"
#include "base/byte_budget.hpp"
#include "base/result.hpp"
#include "nodes/command_line.hpp"
#include "nodes/model_folders.hpp"
#include "storage/file_system.hpp"
#include "tls/tls_identity.hpp"

namespace luna {

/// What the actors of a node are started with, made before the first of them: everything that can
/// be wrong with a configuration is wrong here.
struct node_wiring {
  effective_configuration configuration;
  model_folders folders;
  std::vector<device_options> devices;
  std::shared_ptr<byte_budget> buffers;
  std::string vocabularies;                  ///< folder of tokenizer files
  std::string secret;                        ///< of clients; empty: none
  std::string starter_token;                 ///< of who started the node; empty: none
  std::shared_ptr<tls::identity_source> tls; ///< between nodes; null: plain
  std::shared_ptr<storage::file_system> files;
  std::shared_ptr<storage::directory> data;     ///< of the node; locked by main
  std::shared_ptr<std::string> gateway_address; ///< all, with commas; "-" until the gateway listens
};

/// Looks at folders and devices. @returns what is wrong with them.
result<node_wiring> prepare(effective_configuration configuration);

/// The children of the node, in start order.
std::vector<child_spec> children_of(const node_wiring& wiring);

/// Where the tokenizer files lie: LUNA_SHARE, beside the program as installed, or as built.
/// @returns `bad_request` that says where was looked.
result<std::string> find_vocabularies();

} // namespace luna
