#include <iostream>
#include <memory>

#include "actors/cluster/directory.hpp"
#include "actors/cluster/event_hub.hpp"
#include "actors/gateway/gateway.hpp"
#include "actors/transport/exchange.hpp"
#include "bench/child_process.hpp"
#include "bench/figure.hpp"
#include "bench/peer_system.hpp"
#include "bench/picture_pool.hpp"
#include "bench/plain_socket.hpp"

// The gateway, its connections and sessions as in a node, before a pool that computes nothing.

namespace luna::bench {

namespace {

/// Sends every model request to the same pool.
directory_actor::behavior_type one_pool_directory(directory_actor::pointer,
                                                  const pool_actor& pool) {
  route to;
  to.node = "bench";
  to.pool = "pictures";
  to.local = true;
  to.here = pool;
  return {[](snapshot_atom, const node_snapshot&) {},
          [](drop_atom, const std::string&) {},
          [](register_atom, const std::string&, const pool_actor&) {},
          [](register_atom, const save_sink_actor&) {},
          [](register_atom, const catalog_actor&) {},
          [to](find_atom, model_kind, const model_ref&) { return to; },
          [](find_atom) -> caf::result<route> { return make_error(ec::unavailable, "no saving"); },
          [](list_atom) { return cluster_view{}; }};
}

} // namespace

int run_reply_peer() {
  auto plain = plain_server::start();
  peer_config config;
  caf::actor_system system{config};
  gateway_options options;
  options.buffers = byte_budget::make(uint64_t{1} << 30);
  auto pool = system.spawn(picture_pool);
  options.context.node = "bench";
  options.context.directory = system.spawn(one_pool_directory, pool);
  options.context.exchange = system.spawn(exchange, options.buffers);
  options.context.events = system.spawn(event_hub);
  auto context = options.context;
  auto gateway = start_gateway(system, std::move(options));
  if (!plain || !gateway) {
    std::cerr << (plain ? gateway.error() : plain.error()).message << std::endl;
    return 1;
  }
  std::cout << gateway->port << " " << plain->port() << std::endl;
  wait_for_end_of_input();
  std::_Exit(0); // nothing here is worth an orderly end
}

} // namespace luna::bench
