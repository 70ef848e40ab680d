#include "bench/redis_stream.hpp"

#include <array>
#include <chrono>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace luna::bench {

namespace {

constexpr auto patience = std::chrono::seconds{10};

/// A connection to the socket once the server has made it; -1 if it does not in time.
int connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path))
    return -1;
  std::memcpy(address.sun_path, path.data(), path.size());
  auto until = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < until) {
    int handle = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(handle, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0)
      return handle;
    ::close(handle);
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
  return -1;
}

std::string command(std::string_view payload) {
  return "*5\r\n$4\r\nXADD\r\n$4\r\njobs\r\n$1\r\n*\r\n$1\r\nj\r\n$"
       + std::to_string(payload.size()) + "\r\n" + std::string{payload} + "\r\n";
}

} // namespace

result<redis_stream> redis_stream::start(const std::string& folder) {
  auto socket = folder + "/redis.sock";
  auto server =
    child_process::start({"/usr/bin/redis-server", "--port", "0", "--unixsocket", socket, "--dir",
                          folder, "--appendonly", "yes", "--appendfsync", "always", "--save", ""});
  if (!server)
    return fail(server);
  int handle = connect_to(socket);
  if (handle < 0)
    return fail(ec::unavailable, "redis-server did not start: install redis-server");
  return redis_stream{std::move(*server), handle};
}

redis_stream::redis_stream(redis_stream&& other) noexcept
  : server_(std::move(other.server_)), socket_(std::exchange(other.socket_, -1)) {}

redis_stream::~redis_stream() {
  if (socket_ >= 0)
    ::close(socket_);
}

result<void> redis_stream::append_many(std::string_view payload, int count) {
  std::string all;
  for (int i = 0; i < count; ++i)
    all += command(payload);
  if (auto ok = send(all); !ok)
    return ok;
  return read_answers(count);
}

result<void> redis_stream::send(std::string_view bytes) {
  while (!bytes.empty()) {
    auto n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0)
      return fail(ec::unavailable, "redis-server has gone");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

/// Each answer is the entry's id: "$<length>\r\n<id>\r\n".
result<void> redis_stream::read_answers(int count) {
  std::array<char, 65536> piece{};
  for (int lines = 0; lines < 2 * count;) {
    auto n = ::recv(socket_, piece.data(), piece.size(), 0);
    if (n <= 0)
      return fail(ec::unavailable, "redis-server has gone");
    std::string_view got{piece.data(), static_cast<size_t>(n)};
    if (got.find('-') == 0)
      return fail(ec::unavailable, "redis-server: " + std::string{got});
    for (auto x : got)
      lines += x == '\n' ? 1 : 0;
  }
  return {};
}

} // namespace luna::bench
