#include "actors/cluster/dialer.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <netdb.h>
#include <poll.h>
#include <set>
#include <sys/socket.h>
#include <utility>

#include "actors/cluster/node_link.hpp"
#include "actors/support/actor_defaults.hpp"
#include "base/descriptor.hpp"
#include "messages/error.hpp"
#include "messages/node_view.hpp"

namespace luna {

namespace {

// Together less than the 3 s that the process waits for its threads when it ends.
constexpr std::chrono::milliseconds connect_patience{1500};
constexpr std::chrono::milliseconds handshake_patience{1400};
constexpr std::chrono::milliseconds basp_patience{5000};

auto unreachable(const std::string& host, uint16_t port, const std::string& why) {
  return fail(ec::unavailable,
              "cannot connect to " + host + ":" + std::to_string(port) + ": " + why);
}

/// Connects one resolved address. Returns 0 or an errno value.
int connect_within(int fd, const addrinfo& address, std::chrono::milliseconds patience) {
  if (::connect(fd, address.ai_addr, address.ai_addrlen) == 0)
    return 0;
  if (errno != EINPROGRESS)
    return errno;
  pollfd waiting{fd, POLLOUT, 0};
  auto ready = ::poll(&waiting, 1, static_cast<int>(patience.count()));
  if (ready <= 0)
    return ready == 0 ? ETIMEDOUT : errno;
  int problem = 0;
  socklen_t size = sizeof(problem);
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size);
  return problem;
}

/// Why a link failed after it was handed to CAF: written on the I/O thread, read here.
class link_report {
public:
  void set(const std::string& problem) {
    std::lock_guard guard{mutex_};
    problem_ = problem;
  }
  std::string get() {
    std::lock_guard guard{mutex_};
    return problem_;
  }

private:
  std::mutex mutex_;
  std::string problem_;
};

failure refused(const dial_order& order, const std::string& why) {
  return {ec::unavailable,
          "node " + order.node + " at " + order.host + ":" + std::to_string(order.port) + ": "
            + why,
          0,
          {}};
}

/// The connection, through its handshake.
result<node_link> open_link(const dial_order& order, tls::identity_source* tls) {
  auto connected = connect_tcp(order.host, order.port, connect_patience);
  if (!connected)
    return fail(connected);
  descriptor socket{*connected};
  node_link link;
  if (tls != nullptr) {
    link.session = std::make_unique<tls::tls_session>(tls->current(), socket.get(), tls::role::dial,
                                                      std::vector<std::string>{order.node});
    auto until = std::chrono::steady_clock::now() + handshake_patience;
    if (!handshake_until(*link.session, socket.get(), until))
      return tl::make_unexpected(refused(order, link.session->problem().empty()
                                                  ? "it does not answer the TLS handshake"
                                                  : link.session->problem()));
  }
  link.descriptor = socket.release();
  return link;
}

/// What CAF's handshake ended with.
std::string explain(const caf::error& err, const std::string& reported, bool tls) {
  if (!reported.empty())
    return reported;
  if (err == caf::sec::incompatible_application_ids)
    return std::string{"it runs another version of luna; this one speaks "} + wire_version;
  if (err == caf::sec::malformed_basp_message)
    return "it is no luna node";
  if (err == caf::sec::disconnect_during_handshake)
    return tls ? "it hung up without a word"
               : "it hung up without a word; it may expect TLS, and cluster.tls is not set here";
  if (err == caf::sec::request_timeout)
    return "it says nothing";
  return "it did not let us in: " + to_string(err);
}

caf::result<node_manager_actor> dial(dialer_actor::pointer self, const dial_order& order,
                                     tls::identity_source* tls) {
  auto link = open_link(order, tls);
  if (!link)
    return make_error(link.error());
  auto report = std::make_shared<link_report>();
  link->on_failure = [report](const std::string& problem) { report->set(problem); };
  auto& system = self->home_system();
  auto promise = self->make_response_promise<node_manager_actor>();
  self
    ->request(basp_broker_of(system), basp_patience, caf::connect_atom_v,
              make_scribe(system, std::move(*link)), order.port)
    .then(
      [self, promise, order](const caf::node_id&, const caf::strong_actor_ptr& found,
                             const std::set<std::string>& interface) mutable {
        caf::detail::type_list<node_manager_actor> wanted;
        auto& sys = self->home_system();
        if (found && sys.assignable(interface, sys.message_types(wanted)))
          promise.deliver(caf::actor_cast<node_manager_actor>(found));
        else
          promise.deliver(make_error(refused(order, "no node manager answers there")));
      },
      [promise, order, report, with_tls = tls != nullptr](const caf::error& err) mutable {
        promise.deliver(make_error(refused(order, explain(err, report->get(), with_tls))));
      });
  return promise;
}

} // namespace

result<int> connect_tcp(const std::string& host, uint16_t port,
                        std::chrono::milliseconds patience) {
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
    descriptor socket{::socket(x->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    problem = socket.get() < 0 ? errno : connect_within(socket.get(), *x, patience);
    if (problem == 0)
      return socket.release();
  }
  return unreachable(host, port, std::strerror(problem));
}

dialer_actor::behavior_type dialer(dialer_actor::pointer self,
                                   const std::shared_ptr<tls::identity_source>& tls) {
  set_actor_defaults(self);
  return {
    [self, tls](dial_atom, const dial_order& order) { return dial(self, order, tls.get()); },
  };
}

} // namespace luna
