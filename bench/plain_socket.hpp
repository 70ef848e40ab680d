#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <thread>

#include "base/result.hpp"
#include "protocol/stream_socket.hpp"

namespace luna::bench {

/// A picture of 1024x1024 f32: what the large figures are about.
inline constexpr size_t picture_bytes = size_t{1024} * 1024 * 3 * 4;

/// Reads until `to` is full, from a socket that may be non-blocking.
/// @returns `unavailable` if the stream ends before.
result<void> read_all(int descriptor, std::span<std::byte> to);

/// Blocks until something can be read.
void wait_readable(int descriptor);

/// The other end of a comparison: reads so many bytes and writes so many, as often as it is asked
/// to, with nothing but send() and recv(). In a thread of its own, for one client at a time.
class plain_server {
public:
  static result<plain_server> start();

  uint16_t port() const noexcept { return port_; }

private:
  uint16_t port_ = 0;
};

/// What TCP on loopback takes by itself.
class plain_client {
public:
  static result<plain_client> connect(uint16_t port);

  /// Sends some bytes and reads what the server answers. @returns the seconds that took.
  result<double> exchange(std::span<const std::byte> send, std::span<std::byte> receive);

private:
  explicit plain_client(protocol::stream_socket socket) : socket_(std::move(socket)) {}

  protocol::stream_socket socket_;
};

} // namespace luna::bench
