#include "actors/tcp_socket.hpp"

#include <cerrno>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace luna {

namespace {

constexpr int backlog = 128;

/// A peer that has gone without a word is noticed after about two minutes.
constexpr int keepalive_idle_s = 60;
constexpr int keepalive_interval_s = 15;
constexpr int keepalive_probes = 4;

bool set_option(int descriptor, int level, int name, int value) {
  return setsockopt(descriptor, level, name, &value, sizeof value) == 0;
}

/// Accepted sockets inherit these on Linux.
bool set_options(int descriptor) {
  return set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
      && set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
      && set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_idle_s)
      && set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, keepalive_interval_s)
      && set_option(descriptor, IPPROTO_TCP, TCP_KEEPCNT, keepalive_probes)
      && set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
}

std::optional<uint16_t> bound_port(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return std::nullopt;
  if (address.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<sockaddr_in6&>(address).sin6_port);
  return ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
}

/// A listening descriptor, or -1 with errno.
int open_listener(const addrinfo& at) {
  auto descriptor = socket(at.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0)
    return -1;
  if (set_options(descriptor) && bind(descriptor, at.ai_addr, at.ai_addrlen) == 0
      && listen(descriptor, backlog) == 0)
    return descriptor;
  auto problem = errno;
  close(descriptor);
  errno = problem;
  return -1;
}

bool would_block(int problem) {
  return problem == EAGAIN || problem == EWOULDBLOCK || problem == EINTR;
}

std::optional<size_t> taken(ssize_t n) {
  if (n >= 0)
    return static_cast<size_t>(n);
  if (would_block(errno))
    return 0;
  return std::nullopt;
}

} // namespace

// -- listening ---

result<listening_socket> listening_socket::listen_on(const std::string& host, uint16_t port) {
  auto name = host + ":" + std::to_string(port);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  auto problem = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (problem != 0)
    return fail(ec::unavailable, "cannot listen on " + name + ": " + gai_strerror(problem));
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses{found, freeaddrinfo};
  int last_problem = 0;
  for (auto* at = addresses.get(); at != nullptr; at = at->ai_next) {
    listening_socket socket;
    socket.descriptor_ = open_listener(*at);
    last_problem = errno;
    if (socket.descriptor_ < 0)
      continue;
    socket.port_ = bound_port(socket.descriptor_).value_or(port);
    return socket;
  }
  return fail(ec::unavailable, "cannot listen on " + name + ": " + std::strerror(last_problem));
}

listening_socket::listening_socket(listening_socket&& other) noexcept
  : descriptor_(std::exchange(other.descriptor_, -1)), port_(other.port_) {}

listening_socket& listening_socket::operator=(listening_socket&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(port_, other.port_);
  return *this;
}

listening_socket::~listening_socket() {
  if (descriptor_ >= 0)
    close(descriptor_);
}

int listening_socket::release() noexcept {
  return std::exchange(descriptor_, -1);
}

// -- bytes ---

std::optional<size_t> write_some(int descriptor, std::span<iovec> pieces) {
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  return taken(sendmsg(descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT));
}

std::optional<size_t> read_some(int descriptor, std::span<std::byte> to) {
  auto n = recv(descriptor, to.data(), to.size(), MSG_DONTWAIT);
  if (n == 0)
    return std::nullopt;
  return taken(n);
}

void end_writing(int descriptor) {
  ::shutdown(descriptor, SHUT_WR);
}

void break_connection(int descriptor) {
  ::shutdown(descriptor, SHUT_RDWR);
}

} // namespace luna
