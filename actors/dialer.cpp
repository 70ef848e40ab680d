#include "actors/dialer.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <caf/openssl/all.hpp>

#include <cerrno>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actors/actor_defaults.hpp"
#include "messages/error.hpp"
#include "messages/node_view.hpp"

namespace luna {

namespace {

constexpr std::chrono::milliseconds probe_patience{2000};

auto unreachable(const std::string& host, uint16_t port, const std::string& why) {
  return fail(ec::unavailable,
              "cannot connect to " + host + ":" + std::to_string(port) + ": " + why);
}

struct socket_closer {
  int fd;
  ~socket_closer() { ::close(fd); }
};

/// Connects one resolved address. Returns 0 or an errno value.
int connect_within(const addrinfo& address, std::chrono::milliseconds patience) {
  socket_closer s{::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (s.fd < 0)
    return errno;
  if (::connect(s.fd, address.ai_addr, address.ai_addrlen) == 0)
    return 0;
  if (errno != EINPROGRESS)
    return errno;
  pollfd waiting{s.fd, POLLOUT, 0};
  auto ready = ::poll(&waiting, 1, static_cast<int>(patience.count()));
  if (ready <= 0)
    return ready == 0 ? ETIMEDOUT : errno;
  int problem = 0;
  socklen_t size = sizeof(problem);
  ::getsockopt(s.fd, SOL_SOCKET, SO_ERROR, &problem, &size);
  return problem;
}

caf::result<node_manager_actor> dial(dialer_actor::pointer self, const dial_order& order) {
  if (auto ok = probe(order.host, order.port, probe_patience); !ok)
    return make_error(ok.error());
  auto& system = self->home_system();
  auto handle = order.tls
                ? caf::openssl::remote_actor<node_manager_actor>(system, order.host, order.port)
                : system.middleman().remote_actor<node_manager_actor>(order.host, order.port);
  if (handle)
    return *handle;
  return make_error(ec::unavailable, "node " + order.node + " at " + order.host + ":"
                                       + std::to_string(order.port)
                                       + " did not let us in: " + system.render(handle.error()));
}

} // namespace

result<void> probe(const std::string& host, uint16_t port, std::chrono::milliseconds patience) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (auto code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
      code != 0)
    return unreachable(host, port, ::gai_strerror(code));
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> guard{list, &::freeaddrinfo};
  int problem = EHOSTUNREACH;
  for (auto* x = list; x != nullptr; x = x->ai_next) {
    problem = connect_within(*x, patience);
    if (problem == 0)
      return {};
  }
  return unreachable(host, port, std::strerror(problem));
}

dialer_actor::behavior_type dialer(dialer_actor::pointer self) {
  set_actor_defaults(self);
  return {
    [self](dial_atom, const dial_order& order) { return dial(self, order); },
  };
}

} // namespace luna
