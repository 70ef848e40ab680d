#include <openssl/err.h>
#include <openssl/ssl.h>

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "authority.hpp"
#include "tests/unit/why.hpp"
#include "tls/tls_session.hpp"

// Both ends in one thread, over a socket pair: one step of this one, one step of that one.

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;
using tls::role;
using tls::step;

namespace {

using names = std::vector<std::string>;

/// A connected pair of non-blocking sockets.
struct socket_pair {
  socket_pair() {
    BOOST_REQUIRE_EQUAL(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
  }
  ~socket_pair() {
    ::close(fds[0]);
    if (fds[1] >= 0)
      ::close(fds[1]);
  }
  void hang_up() { ::close(std::exchange(fds[1], -1)); }
  void say(const std::string& text) {
    BOOST_REQUIRE_EQUAL(::write(fds[1], text.data(), text.size()), text.size());
  }

  int fds[2];
};

std::shared_ptr<const tls::tls_identity> identity(const tls::tls_options& options) {
  auto x = tls::tls_identity::read(options);
  BOOST_REQUIRE_EQUAL(why(x), "");
  return *x;
}

/// alpha accepts, beta dials.
struct connection {
  connection(std::shared_ptr<const tls::tls_identity> a, std::shared_ptr<const tls::tls_identity> b,
             names let_in = {"beta", "gamma"}, names wanted = {"alpha"})
    : alpha(std::move(a), sockets.fds[0], role::accept, std::move(let_in)),
      beta(std::move(b), sockets.fds[1], role::dial, std::move(wanted)) {}

  /// @returns whether both ends are content.
  bool shake_hands() {
    auto a = step::want_read, b = step::want_read;
    for (auto i = 0; i < 10; ++i) {
      if (b != step::failed)
        b = b == step::done ? step::done : beta.handshake();
      if (a != step::failed)
        a = a == step::done ? step::done : alpha.handshake();
    }
    if (b == step::done) { // its certificate is judged by the other side later
      char byte = 0;
      size_t bytes = 0;
      if (beta.read(std::as_writable_bytes(std::span{&byte, 1}), bytes) == step::failed)
        b = step::failed;
    }
    return a == step::done && b == step::done;
  }

  /// Sends from beta to alpha. @returns what arrived.
  std::string send(const std::string& text) {
    size_t bytes = 0;
    BOOST_CHECK(beta.write(std::as_bytes(std::span{text}), bytes) == step::done);
    BOOST_CHECK_EQUAL(bytes, text.size());
    std::string got(text.size(), '?');
    auto outcome = alpha.read(std::as_writable_bytes(std::span{got}), bytes);
    BOOST_CHECK_MESSAGE(outcome == step::done, alpha.problem());
    return got.substr(0, bytes);
  }

  socket_pair sockets;
  tls::tls_session alpha;
  tls::tls_session beta;
};

struct fixture {
  fixture() { std::signal(SIGPIPE, SIG_IGN); }

  scratch_folder folder;
  authority studio{folder, "studio"};
  authority stranger{folder, "stranger"};
  std::shared_ptr<const tls::tls_identity> alpha = identity(studio.issue("alpha"));
  std::shared_ptr<const tls::tls_identity> beta = identity(studio.issue("beta"));

  /// A certificate of ours for beta, with something wrong.
  std::shared_ptr<const tls::tls_identity> beta_with(const wanted_certificate& wanted) {
    return identity(studio.issue("beta", wanted));
  }
};

bool has(const std::string& text, const std::string& part) {
  auto found = text.find(part) != std::string::npos;
  BOOST_CHECK_MESSAGE(found, "'" + part + "' is not in: " + text);
  return found;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(tls_session_test, fixture)

BOOST_AUTO_TEST_CASE(two_nodes_of_one_authority_talk) {
  connection x{alpha, beta};
  BOOST_REQUIRE(x.shake_hands());
  BOOST_CHECK(x.alpha.proven_names() == names{"beta"});
  BOOST_CHECK(x.beta.proven_names() == names{"alpha"});
  BOOST_CHECK_EQUAL(x.send("hello"), "hello");
}

BOOST_AUTO_TEST_CASE(what_was_read_from_the_socket_and_not_asked_for_is_pending) {
  connection x{alpha, beta};
  BOOST_REQUIRE(x.shake_hands());
  size_t bytes = 0;
  std::string text = "0123456789", got(4, '?');
  BOOST_CHECK(x.beta.write(std::as_bytes(std::span{text}), bytes) == step::done);
  BOOST_CHECK(x.alpha.read(std::as_writable_bytes(std::span{got}), bytes) == step::done);
  BOOST_CHECK_EQUAL(got, "0123");
  BOOST_CHECK_EQUAL(x.alpha.pending(), 6u);
}

BOOST_AUTO_TEST_CASE(a_failed_connection_leaves_its_neighbours_alone) {
  connection healthy{alpha, beta};
  BOOST_REQUIRE(healthy.shake_hands());
  auto stranger_beta = identity(stranger.issue("beta"));
  std::vector<std::function<void(socket_pair&)>> probes{
    [](socket_pair& x) { x.hang_up(); },
    [](socket_pair& x) { x.say("GET / HTTP/1.0\r\n\r\n"); },
    [](socket_pair& x) { x.say(std::string(64, '\0')); },
    [](socket_pair& x) {
      x.say(std::string("\x16\x03\x01\x02\x00\x01", 6));
      x.hang_up();
    },
    [](socket_pair& x) { x.say(std::string("\x15\x03\x03\x00\x02\x02\x28", 7)); },
  };
  for (auto& probe : probes) {
    socket_pair sockets;
    tls::tls_session session{alpha, sockets.fds[0], role::accept, {"beta"}};
    probe(sockets);
    BOOST_CHECK(session.handshake() != step::done);
    BOOST_CHECK_EQUAL(ERR_peek_error(), 0u);
    BOOST_CHECK_EQUAL(healthy.send("still here"), "still here");
  }
  connection bad{alpha, stranger_beta};
  BOOST_CHECK(!bad.shake_hands());
  BOOST_CHECK_EQUAL(healthy.send("still here"), "still here");
}

BOOST_AUTO_TEST_CASE(an_error_that_somebody_else_left_in_the_thread_is_not_ours) {
  connection x{alpha, beta};
  BOOST_REQUIRE(x.shake_hands());
  ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
  char byte = 0;
  size_t bytes = 0;
  BOOST_CHECK(x.alpha.read(std::as_writable_bytes(std::span{&byte, 1}), bytes) == step::want_read);
  ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
  BOOST_CHECK_EQUAL(x.send("hello"), "hello");
}

BOOST_AUTO_TEST_CASE(a_certificate_of_another_authority_is_named_on_both_sides) {
  auto options = stranger.issue("beta");
  options.ca = studio.ca_file; // it trusts us
  connection x{alpha, identity(options)};
  BOOST_CHECK(!x.shake_hands());
  has(x.alpha.problem(), "its certificate (CN=beta, issued by CN=stranger CA, valid from ");
  has(x.alpha.problem(), "is not of an authority in this node's cluster.tls.ca");
  has(x.beta.problem(), "it refuses this node's certificate (TLS alert \"unknown CA\"): CN=beta, "
                        "issued by CN=stranger CA");
  has(x.beta.problem(), "the other node does not know its issuer");
}

BOOST_AUTO_TEST_CASE(who_dials_refuses_another_authority_too) {
  connection x{identity(stranger.issue("alpha")), beta};
  BOOST_CHECK(!x.shake_hands());
  has(x.beta.problem(), "issued by CN=stranger CA");
  has(x.alpha.problem(), "it refuses this node's certificate (TLS alert \"unknown CA\")");
}

BOOST_AUTO_TEST_CASE(an_expired_certificate_is_named_with_its_dates_on_both_sides) {
  connection x{alpha, beta_with({"beta", "DNS:beta", -48h, -24h})};
  BOOST_CHECK(!x.shake_hands());
  has(x.alpha.problem(), "has expired; this machine's clock says 2");
  has(x.alpha.problem(), "valid from 2");
  has(x.beta.problem(), "certificate expired");
  has(x.beta.problem(), "it has expired; this machine's clock says 2");
}

BOOST_AUTO_TEST_CASE(a_certificate_that_is_not_valid_yet_is_named_on_both_sides) {
  connection x{alpha, beta_with({"beta", "DNS:beta", 24h})};
  BOOST_CHECK(!x.shake_hands());
  has(x.alpha.problem(), "is not valid yet; this machine's clock says 2");
  has(x.beta.problem(), "it is not valid yet; this machine's clock says 2");
}

BOOST_AUTO_TEST_CASE(a_certificate_with_the_name_of_another_node_is_refused) {
  auto delta = identity(studio.issue("delta"));
  connection x{alpha, delta};
  BOOST_CHECK(!x.shake_hands());
  has(x.alpha.problem(), "carries delta, 127.0.0.1, but not the name beta or gamma");
  has(x.beta.problem(), "its names are delta, 127.0.0.1; the other node expects another name");
}

BOOST_AUTO_TEST_CASE(who_dials_wants_the_very_node_that_it_dialled) {
  connection x{alpha, beta, {"beta"}, {"gamma"}};
  BOOST_CHECK(!x.shake_hands());
  has(x.beta.problem(), "carries alpha, 127.0.0.1, but not the name gamma");
}

BOOST_AUTO_TEST_CASE(a_certificate_for_something_else_is_refused) {
  connection x{alpha, beta_with({"beta", "DNS:beta", -1h, 24h, "emailProtection"})};
  BOOST_CHECK(!x.shake_hands());
  has(x.alpha.problem(), "is not made for nodes: extendedKeyUsage");
  has(x.beta.problem(), "it is not made for nodes");
}

BOOST_AUTO_TEST_CASE(who_speaks_something_else_is_told_apart) {
  for (auto& [said, found] : std::vector<std::pair<std::string, std::string>>{
         {"GET / HTTP/1.0\r\n\r\n", "it speaks HTTP"},
         {std::string(64, '\0'), "it does not speak TLS"},
         {std::string("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03", 10), "TLS failed: "}}) {
    socket_pair sockets;
    tls::tls_session session{alpha, sockets.fds[0], role::accept, {"beta"}};
    sockets.say(said);
    BOOST_CHECK(session.handshake() == step::failed);
    has(session.problem(), found);
    BOOST_CHECK(!session.left_silently());
  }
}

BOOST_AUTO_TEST_CASE(who_leaves_without_a_byte_is_told_apart_too) {
  socket_pair sockets;
  tls::tls_session session{alpha, sockets.fds[0], role::accept, {"beta"}};
  sockets.hang_up();
  BOOST_CHECK(session.handshake() == step::failed);
  BOOST_CHECK(session.left_silently());
}

BOOST_AUTO_TEST_CASE(a_handshake_that_gets_no_answer_ends_in_time) {
  socket_pair sockets;
  tls::tls_session session{alpha, sockets.fds[0], role::dial, {"beta"}};
  BOOST_CHECK(!tls::handshake_until(session, sockets.fds[0], std::chrono::steady_clock::now()));
  BOOST_CHECK_EQUAL(session.problem(), "");
}

BOOST_AUTO_TEST_SUITE_END()
