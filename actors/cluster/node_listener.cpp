#include "actors/cluster/node_listener.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <cerrno>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "actors/support/listening_socket.hpp"
#include "actors/support/tcp_socket.hpp"
#include "base/descriptor.hpp"
#include "messages/node_view.hpp"

namespace luna {

namespace {

using clock = std::chrono::steady_clock;

/// How long what a refused peer still sends is read, so that it can read the alert.
constexpr std::chrono::seconds linger_time{1};

/// Pause after the process has run out of descriptors.
constexpr std::chrono::milliseconds accept_pause{100};

/// A peer that is not a link yet, or never will be.
struct visitor {
  descriptor socket;
  std::string address;
  std::unique_ptr<tls::tls_session> session; ///< null: refused, and only drained
  clock::time_point deadline;
  short events = POLLIN;
};

class listener final : public node_listener {
public:
  listener(listener_options options, std::vector<listening_socket> sockets)
    : options_(std::move(options)), port_(sockets.front().port()), wake_(::eventfd(0, EFD_CLOEXEC)),
      doors_(descriptors(std::move(sockets))), thread_([this] { run(); }) {}

  ~listener() override { close(); }

  uint16_t port() const override { return port_; }

  void close() override {
    std::call_once(closed_, [this] {
      stopping_ = true;
      uint64_t one = 1;
      while (::write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) {
        // nop
      }
      thread_.join();
    });
  }

private:
  static std::vector<descriptor> descriptors(std::vector<listening_socket> sockets) {
    std::vector<descriptor> all;
    for (auto& x : sockets)
      all.emplace_back(x.release());
    return all;
  }

  void run() {
    while (!stopping_) {
      auto ready = wait();
      auto first_visitor = 1 + doors_.size();
      for (size_t i = 0; i < visitors_.size(); ++i)
        if (ready[first_visitor + i].revents != 0)
          go_on(visitors_[i]);
      end_late_visitors();
      for (size_t i = 0; i < doors_.size(); ++i)
        if (ready[1 + i].revents != 0)
          accept_all(doors_[i].get());
    }
    visitors_.clear();
    doors_.clear();
  }

  /// Waits for the wake-up, the doors, and each visitor, in this order.
  std::vector<pollfd> wait() {
    std::vector<pollfd> all{{wake_.get(), POLLIN, 0}};
    for (auto& x : doors_)
      all.push_back({x.get(), POLLIN, 0});
    auto until = clock::time_point::max();
    for (auto& x : visitors_) {
      all.push_back({x.socket.get(), x.events, 0});
      until = std::min(until, x.deadline);
    }
    auto timeout = -1;
    if (!visitors_.empty()) {
      auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock::now()).count();
      timeout = static_cast<int>(std::max<int64_t>(left, 0));
    }
    if (::poll(all.data(), all.size(), timeout) < 0)
      for (auto& x : all)
        x.revents = 0;
    return all;
  }

  void accept_all(int door) {
    for (;;) {
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      descriptor socket{
        ::accept4(door, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC)};
      if (socket.get() < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
          std::this_thread::sleep_for(accept_pause);
        return;
      }
      std::array<char, NI_MAXHOST> text{};
      ::getnameinfo(reinterpret_cast<sockaddr*>(&from), size, text.data(), text.size(), nullptr, 0,
                    NI_NUMERICHOST);
      take_in(std::move(socket), text.data());
    }
  }

  void take_in(descriptor socket, std::string address) {
    if (!options_.tls)
      return hand_over(std::move(socket), address, nullptr);
    if (visitors_.size() >= options_.max_handshakes)
      visitors_.erase(visitors_.begin()); // the oldest
    visitor x;
    x.session = std::make_unique<tls::tls_session>(options_.tls->current(), socket.get(),
                                                   tls::role::accept, options_.nodes);
    x.socket = std::move(socket);
    x.address = std::move(address);
    x.deadline = clock::now() + options_.handshake;
    go_on(visitors_.emplace_back(std::move(x)));
  }

  void go_on(visitor& x) {
    if (!x.session)
      return drain(x);
    switch (x.session->handshake()) {
    case tls::step::done:
      hand_over(std::move(x.socket), x.address, std::move(x.session));
      x.deadline = {};
      break;
    case tls::step::want_read:
      x.events = POLLIN;
      break;
    case tls::step::want_write:
      x.events = POLLOUT;
      break;
    case tls::step::failed:
      refuse(x);
    }
  }

  void refuse(visitor& x) {
    if (!x.session->left_silently())
      options_.on_refusal(x.address, x.session->problem());
    x.session = nullptr;
    x.events = POLLIN;
    x.deadline = clock::now() + linger_time;
    ::shutdown(x.socket.get(), SHUT_WR);
    drain(x);
  }

  /// Closing with unread bytes would reset the connection, and the alert could be lost.
  void drain(visitor& x) {
    std::array<std::byte, 4096> waste{};
    for (auto i = 0; i < 16; ++i) {
      auto bytes = read_some(x.socket.get(), waste);
      if (!bytes)
        x.deadline = {}; // it has hung up
      if (!bytes || *bytes == 0)
        return;
    }
  }

  void end_late_visitors() {
    auto now = clock::now();
    auto late = [&](visitor& x) {
      if (x.deadline > now)
        return false;
      if (x.session)
        options_.on_refusal(x.address, "it connected and did not finish the TLS handshake in "
                                         + std::to_string(options_.handshake.count()) + " ms");
      return true;
    };
    visitors_.erase(std::remove_if(visitors_.begin(), visitors_.end(), late), visitors_.end());
  }

  void hand_over(descriptor socket, const std::string& address,
                 std::unique_ptr<tls::tls_session> session) {
    node_link link;
    if (!session) // what fails once a link has proved who it is, its node manager sees
      link.on_failure = [tell = options_.on_refusal, address](const std::string& problem) {
        tell(address, problem);
      };
    link.session = std::move(session);
    link.descriptor = socket.release();
    options_.on_link(std::move(link));
  }

  const listener_options options_;
  const uint16_t port_;
  descriptor wake_;
  std::vector<descriptor> doors_; ///< one for each address of the host
  std::vector<visitor> visitors_; ///< the oldest first
  std::atomic<bool> stopping_{false};
  std::once_flag closed_;
  std::thread thread_; ///< last: it uses all the others
};

} // namespace

result<std::unique_ptr<node_listener>> node_listener::start(listener_options options) {
  auto sockets = listening_socket::listen_on(options.host, options.port);
  if (!sockets)
    return fail(sockets);
  return std::make_unique<listener>(std::move(options), std::move(*sockets));
}

std::function<void(node_link)> publish_to(caf::actor_system& system,
                                          const node_manager_actor& manager) {
  auto broker = basp_broker_of(system);
  auto interface = system.message_types(manager);
  return [&system, broker, interface,
          whom = caf::actor_cast<caf::strong_actor_ptr>(manager)](node_link link) {
    // The port only names what is published: there is one such actor in a node.
    caf::anon_send(broker, caf::publish_atom_v, make_scribe(system, std::move(link)), uint16_t{1},
                   whom, interface);
  };
}

} // namespace luna
