#include "actors/support/listening_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ifaddrs.h>
#include <memory>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "actors/support/port_owner.hpp"
#include "actors/support/tcp_socket.hpp"

namespace luna {

namespace {

constexpr int backlog = 128;

/// A peer that has gone without a word is noticed after about two minutes.
constexpr int keepalive_idle_s = 60;
constexpr int keepalive_interval_s = 15;
constexpr int keepalive_probes = 4;

/// How often another free port is tried when one is free at the first address only.
constexpr int any_port_tries = 16;

using address_list = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

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

void set_port(sockaddr_storage& address, uint16_t port) {
  if (address.ss_family == AF_INET6)
    reinterpret_cast<sockaddr_in6&>(address).sin6_port = htons(port);
  else
    reinterpret_cast<sockaddr_in&>(address).sin_port = htons(port);
}

/// An address to listen at, once each.
struct place {
  sockaddr_storage address{};
  socklen_t size = 0;

  bool operator==(const place& other) const {
    return size == other.size && std::memcmp(&address, &other.address, size) == 0;
  }
};

std::vector<place> places_of(const addrinfo* found) {
  std::vector<place> places;
  for (auto* at = found; at != nullptr; at = at->ai_next) {
    place x;
    x.size = at->ai_addrlen;
    std::memcpy(&x.address, at->ai_addr, at->ai_addrlen);
    if (std::find(places.begin(), places.end(), x) == places.end())
      places.push_back(x);
  }
  return places;
}

/// A socket that has the address; if it is invalid, errno says why.
/// @param alone the only address: "::" then takes IPv4 as well.
descriptor open_listener(const place& at, bool alone, bool listening) {
  auto v6 = at.address.ss_family == AF_INET6;
  descriptor made{socket(at.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  auto fd = made.get();
  if (fd < 0
      || (set_options(fd) && (!v6 || set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, alone ? 0 : 1))
          && bind(fd, reinterpret_cast<const sockaddr*>(&at.address), at.size) == 0
          && (!listening || listen(fd, backlog) == 0)))
    return made;
  auto problem = errno;
  made = descriptor{};
  errno = problem;
  return made;
}

bool not_on_this_machine(int problem) {
  return problem == EADDRNOTAVAIL || problem == EAFNOSUPPORT;
}

std::string why_not(int problem, uint16_t port) {
  switch (problem) {
  case EADDRINUSE: {
    auto owner = port_owner(port);
    return owner.empty() ? "the port is in use" : "the port is in use by " + owner;
  }
  case EADDRNOTAVAIL:
  case EAFNOSUPPORT:
    return "this machine does not have the address";
  case EACCES:
    return "ports below 1024 are for root";
  default:
    return std::strerror(problem);
  }
}

std::string shown(const sockaddr* address, uint16_t port) {
  return address->sa_family == AF_INET6 ? "[" + address_text(address) + "]:" + std::to_string(port)
                                        : address_text(address) + ":" + std::to_string(port);
}

bool is_wildcard(const sockaddr_storage& x) {
  if (x.ss_family == AF_INET6)
    return IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6&>(x).sin6_addr);
  return reinterpret_cast<const sockaddr_in&>(x).sin_addr.s_addr == htonl(INADDR_ANY);
}

/// The addresses of this machine's interfaces that are up, its own loopback first.
void add_own_addresses(bool v4, bool v6, uint16_t port, std::vector<std::string>& to) {
  ifaddrs* found = nullptr;
  if (getifaddrs(&found) != 0)
    return;
  std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> all{found, freeifaddrs};
  for (auto loopback : {true, false})
    for (auto* x = found; x != nullptr; x = x->ifa_next) {
      auto up = (x->ifa_flags & IFF_UP) != 0;
      if (!x->ifa_addr || !up || loopback != ((x->ifa_flags & IFF_LOOPBACK) != 0))
        continue;
      auto family = x->ifa_addr->sa_family;
      auto link_local =
        family == AF_INET6
        && IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<sockaddr_in6*>(x->ifa_addr)->sin6_addr);
      if ((family == AF_INET && v4) || (family == AF_INET6 && v6 && !link_local))
        to.push_back(shown(x->ifa_addr, port));
    }
}

} // namespace

result<std::vector<listening_socket>> listening_socket::listen_on(const std::string& host,
                                                                  uint16_t port) {
  return bind_to(host, port, true);
}

result<void> listening_socket::check(const std::string& host, uint16_t port) {
  auto sockets = bind_to(host, port, false);
  if (!sockets)
    return fail(sockets);
  return {};
}

result<std::vector<listening_socket>> listening_socket::bind_to(const std::string& host,
                                                                uint16_t port, bool listening) {
  auto name = (host.find(':') == host.npos ? host : "[" + host + "]") + ":" + std::to_string(port);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  auto problem = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (problem != 0)
    return fail(ec::unavailable, "cannot listen on " + name + ": " + gai_strerror(problem));
  address_list owner{found, freeaddrinfo};
  auto places = places_of(found);
  int last_problem = EADDRNOTAVAIL;
  for (int i = 0; i < any_port_tries; ++i) {
    std::vector<listening_socket> sockets;
    auto failed = false;
    for (auto& at : places) {
      if (port == 0 && !sockets.empty())
        set_port(at.address, sockets.front().port());
      listening_socket socket;
      socket.socket_ = open_listener(at, places.size() == 1, listening);
      last_problem = errno;
      failed = socket.descriptor() < 0 && !not_on_this_machine(last_problem);
      if (failed)
        break;
      if (socket.descriptor() < 0)
        continue;
      socket.port_ = bound_port(socket.descriptor()).value_or(port);
      sockets.push_back(std::move(socket));
    }
    if (!failed && !sockets.empty())
      return sockets;
    if (!failed || port != 0 || last_problem != EADDRINUSE)
      break;
    for (auto& at : places)
      set_port(at.address, 0);
  }
  return fail(ec::unavailable, "cannot listen on " + name + ": " + why_not(last_problem, port));
}

std::vector<std::string> dialable_addresses(std::span<const listening_socket> sockets) {
  std::vector<std::string> addresses;
  for (auto& socket : sockets) {
    sockaddr_storage at{};
    socklen_t size = sizeof at;
    if (getsockname(socket.descriptor(), reinterpret_cast<sockaddr*>(&at), &size) != 0)
      continue;
    auto v6 = at.ss_family == AF_INET6;
    int only = 1;
    socklen_t only_size = sizeof only;
    if (v6)
      getsockopt(socket.descriptor(), IPPROTO_IPV6, IPV6_V6ONLY, &only, &only_size);
    if (is_wildcard(at))
      add_own_addresses(!v6 || only == 0, v6, socket.port(), addresses);
    else
      addresses.push_back(shown(reinterpret_cast<sockaddr*>(&at), socket.port()));
  }
  return addresses;
}

} // namespace luna
