#include "loopback_server.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace luna::protocol::test {

loopback_server::loopback_server(server_config config, handler handle)
  : config_(std::make_shared<server_config>(std::move(config))), handle_(std::move(handle)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener_, any, size) != 0 || listen(listener_, 64) != 0
      || getsockname(listener_, any, &size) != 0 || pipe(stop_) != 0)
    throw std::runtime_error("no loopback socket");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread{[this] { accept_all(); }};
}

loopback_server::~loopback_server() {
  ::close(stop_[1]);
  acceptor_.join();
  ::close(stop_[0]);
  ::close(listener_);
}

void loopback_server::accept_all() {
  std::vector<std::thread> threads;
  while (true) {
    pollfd ready[2] = {{listener_, POLLIN, 0}, {stop_[0], POLLIN, 0}};
    poll(ready, 2, -1);
    if (ready[1].revents != 0)
      break;
    if (auto fd = accept(listener_, nullptr, nullptr); fd >= 0)
      threads.emplace_back([this, fd] {
        serve(fd);
        ::close(fd);
      });
  }
  for (auto& x : threads)
    x.join();
}

void loopback_server::serve(int fd) const {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  server_connection server{config_};
  server.start();
  std::vector<std::byte> buffer(1 << 20);
  while (!server.closed() || !server.output().empty()) {
    auto writes = !server.output().empty();
    auto want = static_cast<short>((server.wants_input() ? POLLIN : 0) | (writes ? POLLOUT : 0));
    pollfd ready[2] = {{fd, want, 0}, {stop_[0], POLLIN, 0}};
    poll(ready, 2, -1);
    if (ready[1].revents != 0)
      return;
    if ((ready[0].revents & POLLOUT) != 0) {
      iovec pieces[16];
      msghdr message{};
      message.msg_iov = pieces;
      message.msg_iovlen = server.output().gather(pieces);
      auto n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0)
        server.sent(static_cast<uint64_t>(n));
      else if (errno != EAGAIN)
        return;
    }
    if ((ready[0].revents & (POLLIN | POLLHUP | POLLERR)) == 0)
      continue;
    auto n = recv(fd, buffer.data(), server.next_read_size(), MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN))
      return;
    if (n > 0)
      server.feed({buffer.data(), static_cast<size_t>(n)});
    while (auto event = server.poll()) {
      if (auto* request = std::get_if<request_received>(&*event))
        handle_(server, *request);
      else if (auto* cancel = std::get_if<cancel_received>(&*event))
        server.refuse(cancel->id, {ec::cancelled, "cancelled by the client", 0, {}});
    }
  }
}

} // namespace luna::protocol::test
