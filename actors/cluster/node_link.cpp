#include "actors/cluster/node_link.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/io/network/default_multiplexer.hpp>
#include <caf/io/network/interfaces.hpp>
#include <caf/io/network/stream_impl.hpp>
#include <caf/policy/tcp.hpp>

#include <string_view>
#include <utility>

namespace luna {

namespace {

namespace network = caf::io::network;
using network::rw_state;

/// The first byte of a TLS record: a handshake or an alert. BASP begins with another one.
bool is_tls(std::string_view first_bytes) {
  return first_bytes.size() > 1 && (first_bytes[0] == 0x15 || first_bytes[0] == 0x16)
      && first_bytes[1] == 0x03;
}

/// What CAF's stream reads and writes with.
class link_policy {
public:
  explicit link_policy(node_link&& link)
    : session_(std::move(link.session)), on_failure_(std::move(link.on_failure)) {}

  rw_state read_some(size_t& bytes, network::native_socket fd, void* to, size_t size) {
    bytes = 0;
    if (!session_)
      return read_plain(bytes, fd, to, size);
    return judge(session_->read({static_cast<std::byte*>(to), size}, bytes));
  }

  rw_state write_some(size_t& bytes, network::native_socket fd, const void* from, size_t size) {
    bytes = 0;
    if (!session_)
      return plain_.write_some(bytes, fd, from, size);
    if (size == 0)
      return rw_state::indeterminate; // nothing to write any more
    return judge(session_->write({static_cast<const std::byte*>(from), size}, bytes));
  }

  /// What lies in the session already makes no socket readable.
  bool must_read_more(network::native_socket, size_t threshold) {
    return session_ && session_->pending() >= threshold;
  }

private:
  rw_state judge(tls::step x) {
    if (x != tls::step::failed)
      return rw_state::success; // without bytes: CAF waits for the socket
    report(session_->problem());
    return rw_state::failure;
  }

  rw_state read_plain(size_t& bytes, network::native_socket fd, void* to, size_t size) {
    auto state = plain_.read_some(bytes, fd, to, size);
    if (std::exchange(first_read_, false) && is_tls({static_cast<const char*>(to), bytes}))
      report("it speaks TLS, and cluster.tls is not set on this node");
    return state;
  }

  void report(const std::string& problem) {
    if (auto tell = std::exchange(on_failure_, nullptr))
      tell(problem);
  }

  std::unique_ptr<tls::tls_session> session_;
  std::function<void(const std::string&)> on_failure_;
  caf::policy::tcp plain_;
  bool first_read_ = true;
};

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (auto& name : names)
    text += (text.empty() ? "" : ",") + name;
  return text;
}

class link_scribe : public caf::io::scribe {
public:
  link_scribe(network::default_multiplexer& backend, node_link link)
    : scribe(network::conn_hdl_from_socket(link.descriptor)),
      address_(link.session ? joined(link.session->proven_names()) : ""),
      stream_(backend, link.descriptor, std::move(link)) {}

  void configure_read(caf::io::receive_policy::config config) override {
    stream_.configure_read(config);
    if (!std::exchange(launched_, true))
      stream_.start(this);
  }

  void ack_writes(bool enable) override { stream_.ack_writes(enable); }
  std::vector<char>& wr_buf() override { return stream_.wr_buf(); }
  std::vector<char>& rd_buf() override { return stream_.rd_buf(); }
  void flush() override { stream_.flush(this); }

  void graceful_shutdown() override {
    stream_.graceful_shutdown();
    detach(&stream_.backend(), false);
  }

  std::string addr() const override {
    if (!address_.empty())
      return address_;
    auto address = network::remote_addr_of_fd(stream_.fd());
    return address ? *address : "";
  }

  uint16_t port() const override {
    auto port = network::remote_port_of_fd(stream_.fd());
    return port ? *port : 0;
  }

  void add_to_loop() override { stream_.activate(this); }
  void remove_from_loop() override { stream_.passivate(); }

private:
  std::string address_;
  network::stream_impl<link_policy> stream_;
  bool launched_ = false;
};

} // namespace

caf::io::scribe_ptr make_scribe(caf::actor_system& system, node_link link) {
  auto& backend = dynamic_cast<network::default_multiplexer&>(system.middleman().backend());
  return caf::make_counted<link_scribe>(backend, std::move(link));
}

caf::actor basp_broker_of(caf::actor_system& system) {
  return caf::actor_cast<caf::actor>(
    system.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP")));
}

} // namespace luna
