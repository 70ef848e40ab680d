#include "protocol/stream_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace luna::protocol {

namespace {

using clock = stream_socket::clock;

auto lost(std::string what) {
  return fail(ec::unavailable, std::move(what));
}

auto too_late(std::string_view what) {
  return fail(ec::timeout, "the server has not answered in time (" + std::string{what} + ")");
}

/// Waits until a socket is ready. @returns false if the deadline passes first.
bool wait_for(int socket, short what, clock::time_point deadline) {
  while (true) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock::now()).count();
    pollfd x{socket, what, 0};
    auto n = poll(&x, 1, static_cast<int>(std::clamp<int64_t>(left, 0, INT32_MAX)));
    if (n > 0)
      return true;
    if (n == 0 && left <= 0)
      return false;
    if (n < 0 && errno != EINTR)
      return true; // the next call on the socket says what is wrong
  }
}

/// @returns a connected, non-blocking socket, or -1 with errno.
int connect_to(const addrinfo& address, clock::time_point deadline) {
  auto fd = socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return -1;
  int error = 0;
  if (connect(fd, address.ai_addr, address.ai_addrlen) != 0) {
    error = errno;
    if (error == EINPROGRESS) {
      error = ETIMEDOUT;
      socklen_t size = sizeof(error);
      if (wait_for(fd, POLLOUT, deadline))
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
  }
  if (error == 0)
    return fd;
  ::close(fd);
  errno = error;
  return -1;
}

} // namespace

stream_socket::stream_socket(stream_socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

stream_socket& stream_socket::operator=(stream_socket&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

stream_socket::~stream_socket() {
  close();
}

void stream_socket::close(bool hard) {
  if (fd_ < 0)
    return;
  if (hard) {
    linger reset{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  }
  ::close(std::exchange(fd_, -1));
}

void stream_socket::shut_down_writing() {
  shutdown(fd_, SHUT_WR);
}

result<stream_socket> stream_socket::connect(const std::string& host, uint16_t port,
                                             clock::time_point deadline) {
  auto service = std::to_string(port);
  auto where = host + ":" + service;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (auto error = getaddrinfo(host.c_str(), service.c_str(), &hints, &found); error != 0)
    return lost("cannot find " + where + ": " + gai_strerror(error));
  stream_socket opened;
  for (auto* x = found; x != nullptr && opened.fd_ < 0; x = x->ai_next)
    opened.fd_ = connect_to(*x, deadline);
  auto error = errno;
  freeaddrinfo(found);
  if (opened.fd_ < 0)
    return lost("cannot connect to " + where + ": " + std::strerror(error));
  int on = 1;
  setsockopt(opened.fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return opened;
}

result<void> stream_socket::write_all(std::span<iovec> pieces, std::chrono::milliseconds patience) {
  constexpr size_t most_pieces = 64;
  while (!pieces.empty()) {
    if (pieces.front().iov_len == 0) {
      pieces = pieces.subspan(1);
      continue;
    }
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = std::min(pieces.size(), most_pieces);
    auto n = sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR)
        continue;
      if (errno != EAGAIN)
        return lost(std::string{"the connection to the server is lost: "} + std::strerror(errno));
      if (!wait_for(fd_, POLLOUT, clock::now() + patience))
        return too_late("it does not read");
      continue;
    }
    auto sent = static_cast<size_t>(n);
    while (sent > 0) {
      auto& piece = pieces.front();
      auto part = std::min(sent, piece.iov_len);
      piece.iov_base = static_cast<char*>(piece.iov_base) + part;
      piece.iov_len -= part;
      sent -= part;
      if (piece.iov_len == 0)
        pieces = pieces.subspan(1);
    }
  }
  return {};
}

result<size_t> stream_socket::read_some(std::span<std::byte> to, clock::time_point deadline) {
  while (true) {
    auto n = recv(fd_, to.data(), to.size(), 0);
    if (n > 0)
      return static_cast<size_t>(n);
    if (n == 0)
      return lost("the server closed the connection");
    if (errno == EINTR)
      continue;
    if (errno != EAGAIN)
      return lost(std::string{"the connection to the server is lost: "} + std::strerror(errno));
    if (!wait_for(fd_, POLLIN, deadline))
      return too_late("it sends nothing");
  }
}

} // namespace luna::protocol
