#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/descriptor.hpp"
#include "base/result.hpp"

namespace luna {

/// A socket that listens; closes it when it goes.
///
/// Nothing here blocks but the resolution of a name in listen_on. Thread rule: any thread.
class listening_socket {
public:
  /// Listens at every address of a name, or at the one given, on one port. Addresses that this
  /// machine does not have, IPv6 where that is off for instance, are left out if another is there.
  /// Accepted connections have keepalive and no delay.
  /// @param port 0: any.
  /// @returns at least one; `unavailable` with the reason, for a port in use with the process that
  /// uses it where that can be known.
  static result<std::vector<listening_socket>> listen_on(const std::string& host, uint16_t port);

  /// Whether listen_on would succeed now, without listening. @param port 0: only the address.
  static result<void> check(const std::string& host, uint16_t port);

  /// As bound.
  uint16_t port() const noexcept { return port_; }

  int descriptor() const noexcept { return socket_.get(); }

  /// Hands the descriptor to the caller, who closes it.
  int release() noexcept { return socket_.release(); }

private:
  static result<std::vector<listening_socket>> bind_to(const std::string& host, uint16_t port,
                                                       bool listening);

  luna::descriptor socket_;
  uint16_t port_ = 0;
};

/// What a client can dial: "127.0.0.1:19283", "[::1]:19283". For a socket that listens at all
/// addresses of the machine, each of them, this machine's own first.
std::vector<std::string> dialable_addresses(std::span<const listening_socket> sockets);

} // namespace luna
