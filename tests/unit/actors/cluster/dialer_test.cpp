#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actors/cluster/dialer.hpp"
#include "actors/cluster/keeper_actor.hpp"
#include "fixture.hpp"
#include "messages/work_arguments.hpp"
#include "tests/unit/why.hpp"

// With real sockets on loopback: what it decides depends on what the kernel says.

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

namespace {

struct network_config : caf::actor_system_config {
  network_config() {
    load<caf::io::middleman>();
    add_message_types<caf::id_block::luna>();
    add_error_category(error_category(), render_error);
  }
};

/// A port of loopback that nobody else has; it takes connections if asked to.
class loopback_port {
public:
  explicit loopback_port(bool listening) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    BOOST_REQUIRE_EQUAL(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    BOOST_REQUIRE_EQUAL(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    if (listening)
      BOOST_REQUIRE_EQUAL(::listen(fd_, 8), 0);
    number = ntohs(address.sin_port);
  }
  ~loopback_port() { ::close(fd_); }
  loopback_port(const loopback_port&) = delete;
  loopback_port& operator=(const loopback_port&) = delete;

  uint16_t number = 0;

private:
  int fd_;
};

node_manager_actor::behavior_type manager(node_manager_actor::pointer) {
  return {[](join_atom, const node_greeting& x) { return x; },
          [](snapshot_atom, const node_snapshot&) {},
          [](command_atom, uint64_t, const cluster_command&) { return command_report{}; },
          [](control_atom, const cluster_command&) { return command_report{}; },
          [](run_atom, const cluster_command&) { return command_report{}; },
          [](drain_atom, uint32_t) {},
          [](tick_atom) {},
          [](restart_atom, const std::string&) {},
          [](dial_atom, const std::string&) {}};
}

keeper_actor::behavior_type something_else(keeper_actor::pointer) {
  return {[](keep_atom, const cluster_state&) { return true; }};
}

/// Two nodes: one that dials, one that is dialled.
struct fixture {
  network_config here_config, there_config;
  caf::actor_system here{here_config};
  caf::actor_system there{there_config};
  dialer_actor uut = here.spawn<caf::detached>(dialer, nullptr);

  result<node_manager_actor> dial(uint16_t port) {
    caf::scoped_actor self{here};
    result<node_manager_actor> answer = fail(ec::internal, "no answer");
    self->request(uut, 60s, dial_atom_v, dial_order{"beta", "127.0.0.1", port})
      .receive([&](node_manager_actor& x) { answer = std::move(x); },
               [&](caf::error& err) { answer = tl::make_unexpected(to_failure(err, "it")); });
    return answer;
  }

  template <class Handle>
  uint16_t publish(const Handle& who) {
    auto port = there.middleman().publish(who, 0, "127.0.0.1");
    BOOST_REQUIRE(port);
    return *port;
  }

  ~fixture() { caf::anon_send_exit(uut, caf::exit_reason::user_shutdown); }
};

} // namespace

BOOST_AUTO_TEST_SUITE(dialer_test)

BOOST_AUTO_TEST_CASE(who_listens_is_connected) {
  loopback_port port{true};
  auto socket = connect_tcp("127.0.0.1", port.number, 5s);
  BOOST_REQUIRE_EQUAL(why(socket), "");
  ::close(*socket);
}

BOOST_AUTO_TEST_CASE(a_refused_connection_says_where_and_why) {
  loopback_port port{false};
  auto refused = connect_tcp("127.0.0.1", port.number, 5s);
  BOOST_REQUIRE(!refused);
  BOOST_CHECK(refused.error().code == ec::unavailable);
  BOOST_CHECK_EQUAL(refused.error().message,
                    "cannot connect to 127.0.0.1:" + std::to_string(port.number)
                      + ": Connection refused");
}

BOOST_AUTO_TEST_CASE(a_host_that_is_none_is_unavailable) {
  // A label of more than 63 characters: no name server need be asked.
  auto none = connect_tcp(std::string(70, 'x'), 1, 5s);
  BOOST_REQUIRE(!none);
  BOOST_CHECK(none.error().code == ec::unavailable);
  BOOST_CHECK_NE(none.error().message.find("xxx:1: "), std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_node_manager_that_listens_is_reached, fixture) {
  auto target = there.spawn(manager);
  auto found = dial(publish(target));
  BOOST_REQUIRE_EQUAL(why(found), "");
  caf::scoped_actor self{here};
  node_greeting greeting;
  greeting.node = "alpha";
  std::string answer;
  self->request(*found, 60s, join_atom_v, greeting)
    .receive([&](node_greeting& x) { answer = x.node; }, [&](caf::error&) {});
  BOOST_CHECK_EQUAL(answer, "alpha");
  caf::anon_send_exit(target, caf::exit_reason::user_shutdown);
}

BOOST_FIXTURE_TEST_CASE(a_node_that_is_away_is_unavailable_and_the_dialer_goes_on, fixture) {
  loopback_port nobody{false};
  auto refused = dial(nobody.number);
  BOOST_REQUIRE(!refused);
  BOOST_CHECK(refused.error().code == ec::unavailable);
  auto target = there.spawn(manager);
  BOOST_CHECK_EQUAL(why(dial(publish(target))), "");
  caf::anon_send_exit(target, caf::exit_reason::user_shutdown);
}

BOOST_FIXTURE_TEST_CASE(who_listens_and_is_no_node_manager_is_named, fixture) {
  auto target = there.spawn(something_else);
  auto refused = dial(publish(target));
  BOOST_REQUIRE(!refused);
  BOOST_CHECK(refused.error().code == ec::unavailable);
  BOOST_CHECK_NE(refused.error().message.find("node beta at 127.0.0.1"), std::string::npos);
  caf::anon_send_exit(target, caf::exit_reason::user_shutdown);
}

BOOST_AUTO_TEST_SUITE_END()
