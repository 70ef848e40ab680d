#include "bench/plain_socket.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "actors/support/listening_socket.hpp"
#include "actors/support/tcp_socket.hpp"

namespace luna::bench {

namespace {

using clock = std::chrono::steady_clock;

/// What a client wants: first the server reads, then it writes.
struct plain_order {
  uint64_t read = 0;
  uint64_t write = 0;
};

bool write_all(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    auto n = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return true;
}

/// Serves one client until it goes.
void serve(int descriptor, std::span<std::byte> memory) {
  plain_order order;
  while (read_all(descriptor, std::as_writable_bytes(std::span{&order, 1}))
         && order.read <= memory.size() && order.write <= memory.size()
         && read_all(descriptor, memory.first(order.read))
         && write_all(descriptor, memory.first(order.write)))
    ;
}

} // namespace

result<void> read_all(int descriptor, std::span<std::byte> to) {
  while (!to.empty()) {
    auto n = ::recv(descriptor, to.data(), to.size(), 0);
    if (n > 0)
      to = to.subspan(static_cast<size_t>(n));
    else if (n == 0)
      return fail(ec::unavailable, "a connection ended in the middle of a measurement");
    else if (errno == EAGAIN)
      wait_readable(descriptor);
    else if (errno != EINTR)
      return fail(ec::unavailable, std::string{"a connection broke: "} + std::strerror(errno));
  }
  return {};
}

void wait_readable(int descriptor) {
  pollfd waiting{descriptor, POLLIN, 0};
  ::poll(&waiting, 1, -1);
}

result<plain_server> plain_server::start() {
  auto listeners = listening_socket::listen_on("127.0.0.1", 0);
  if (!listeners)
    return fail(listeners);
  plain_server server;
  auto& listener = listeners->front();
  server.port_ = listener.port();
  std::thread{[at = listener.release()] {
    std::vector<std::byte> memory(2 * picture_bytes, std::byte{1});
    for (;;) {
      wait_readable(at);
      auto client = ::accept(at, nullptr, nullptr);
      if (client < 0)
        continue;
      serve(client, memory);
      ::close(client);
    }
  }}.detach();
  return server;
}

result<plain_client> plain_client::connect(uint16_t port) {
  auto socket =
    protocol::stream_socket::connect("127.0.0.1", port, clock::now() + std::chrono::seconds{10});
  if (!socket)
    return fail(socket);
  return plain_client{std::move(*socket)};
}

result<double> plain_client::exchange(std::span<const std::byte> send,
                                      std::span<std::byte> receive) {
  plain_order order{send.size(), receive.size()};
  std::array<iovec, 2> pieces{
    {{&order, sizeof order}, {const_cast<std::byte*>(send.data()), send.size()}}};
  auto start = clock::now();
  if (auto ok = socket_.write_all(pieces, std::chrono::seconds{10}); !ok)
    return fail(ok);
  if (auto ok = read_all(socket_.descriptor(), receive); !ok)
    return fail(ok);
  return std::chrono::duration<double>(clock::now() - start).count();
}

} // namespace luna::bench
