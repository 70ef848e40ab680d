#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "protocol/server_connection.hpp"

namespace luna::protocol::test {

/// server_connection behind real sockets, as small as it can be: a thread for each connection.
/// Everything has ended when the destructor returns.
class loopback_server {
public:
  /// Answers a request, in the connection's thread.
  using handler = std::function<void(server_connection&, request_received&)>;

  loopback_server(server_config config, handler handle);
  ~loopback_server();

  uint16_t port() const noexcept { return port_; }

private:
  void accept_all();
  void serve(int socket) const;

  std::shared_ptr<const server_config> config_;
  handler handle_;
  int listener_ = -1;
  int stop_[2] = {-1, -1}; ///< a pipe whose closed end wakes everybody
  uint16_t port_ = 0;
  std::thread acceptor_;
};

} // namespace luna::protocol::test
