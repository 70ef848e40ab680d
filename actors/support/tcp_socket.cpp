#include "actors/support/tcp_socket.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>
#include <sys/socket.h>

namespace luna {

namespace {

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

// -- addresses ---

std::optional<uint16_t> bound_port(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return std::nullopt;
  if (address.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<sockaddr_in6&>(address).sin6_port);
  return ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
}

std::string address_text(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = {};
  const void* bytes = &reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
  auto family = address->sa_family;
  if (family == AF_INET6) {
    auto& x = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
    auto mapped = IN6_IS_ADDR_V4MAPPED(&x);
    bytes = mapped ? static_cast<const void*>(&x.s6_addr[12]) : &x;
    family = mapped ? AF_INET : AF_INET6;
  }
  inet_ntop(family, bytes, text, sizeof text);
  return text;
}

std::string peer_address(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  auto* general = reinterpret_cast<sockaddr*>(&address);
  if (getpeername(descriptor, general, &size) != 0)
    return "unknown";
  if (address.ss_family == AF_INET6) {
    auto& x = reinterpret_cast<sockaddr_in6&>(address).sin6_addr;
    if (!IN6_IS_ADDR_V4MAPPED(&x) && !IN6_IS_ADDR_LOOPBACK(&x)) {
      std::fill(x.s6_addr + 8, x.s6_addr + 16, uint8_t{0});
      return address_text(general) + "/64";
    }
  }
  return address_text(general);
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
