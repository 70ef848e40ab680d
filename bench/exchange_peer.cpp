#include <iostream>

#include "actors/transport/exchange.hpp"
#include "bench/child_process.hpp"
#include "bench/figure.hpp"
#include "bench/peer_system.hpp"
#include "bench/picture_pool.hpp"
#include "bench/plain_socket.hpp"

// The other node: an exchange, and a pool that computes nothing.

namespace luna::bench {

int run_exchange_peer() {
  auto plain = plain_server::start();
  peer_config config;
  caf::actor_system system{config};
  auto there = system.spawn(exchange, byte_budget::make(uint64_t{1} << 30));
  caf::anon_send(there, register_atom_v, std::string{"pictures"}, system.spawn(picture_pool));
  auto port =
    system.middleman().publish(caf::actor_cast<exchange_peer_actor>(there), 0, "127.0.0.1");
  if (!plain || !port) {
    std::cerr << (plain ? system.render(port.error()) : plain.error().message) << std::endl;
    return 1;
  }
  std::cout << *port << " " << plain->port() << std::endl;
  wait_for_end_of_input();
  std::_Exit(0); // nothing here is worth an orderly end
}

} // namespace luna::bench
