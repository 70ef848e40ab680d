#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string>
#include <unistd.h>

#include "actors/support/listening_socket.hpp"
#include "actors/support/port_owner.hpp"

using namespace luna;

namespace {

bool has(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

std::string on(const std::string& host, uint16_t port) {
  return host + ":" + std::to_string(port);
}

} // namespace

BOOST_AUTO_TEST_SUITE(listening_socket_test)

BOOST_AUTO_TEST_CASE(every_address_of_a_name_is_listened_at_on_one_port) {
  auto sockets = listening_socket::listen_on("localhost", 0);
  BOOST_REQUIRE(sockets);
  auto port = sockets->front().port();
  auto addresses = dialable_addresses(*sockets);
  BOOST_CHECK_EQUAL(addresses.size(), sockets->size());
  BOOST_CHECK(has(addresses, on("127.0.0.1", port)));
  // IPv6 may be off where the tests run; then the name still works.
  if (listening_socket::check("::1", 0) && sockets->size() > 1)
    BOOST_CHECK(has(addresses, on("[::1]", port)));
  for (auto& socket : *sockets)
    BOOST_CHECK_EQUAL(socket.port(), port);
}

BOOST_AUTO_TEST_CASE(all_addresses_of_the_machine_are_told_for_the_wildcard) {
  auto sockets = listening_socket::listen_on("0.0.0.0", 0);
  BOOST_REQUIRE(sockets);
  auto addresses = dialable_addresses(*sockets);
  BOOST_REQUIRE(!addresses.empty());
  BOOST_CHECK_EQUAL(addresses.front(), on("127.0.0.1", sockets->front().port()));
  BOOST_CHECK(!has(addresses, on("0.0.0.0", sockets->front().port())));
}

BOOST_AUTO_TEST_CASE(a_port_in_use_is_named_with_its_process) {
  auto first = listening_socket::listen_on("127.0.0.1", 0);
  BOOST_REQUIRE(first);
  auto port = first->front().port();
  auto process = "(process " + std::to_string(::getpid()) + ")";
  BOOST_CHECK(port_owner(port).ends_with(process));
  auto second = listening_socket::listen_on("127.0.0.1", port);
  BOOST_REQUIRE(!second);
  auto& text = second.error().message;
  BOOST_CHECK_MESSAGE(text.find(on("127.0.0.1", port)) != text.npos, text);
  BOOST_CHECK_MESSAGE(text.find(process) != text.npos, text);
  BOOST_CHECK(!listening_socket::check("127.0.0.1", port));
}

BOOST_AUTO_TEST_CASE(a_port_that_nobody_has_has_no_owner) {
  uint16_t port = 0;
  {
    auto sockets = listening_socket::listen_on("127.0.0.1", 0);
    BOOST_REQUIRE(sockets);
    port = sockets->front().port();
  }
  BOOST_CHECK_EQUAL(port_owner(port), "");
  BOOST_CHECK(listening_socket::check("127.0.0.1", port));
}

BOOST_AUTO_TEST_CASE(an_address_of_another_machine_is_said_to_be_that) {
  auto sockets = listening_socket::listen_on("192.0.2.1", 0); // for documentation only: nobody's
  BOOST_REQUIRE(!sockets);
  auto& text = sockets.error().message;
  BOOST_CHECK_MESSAGE(text.find("does not have the address") != text.npos, text);
}

BOOST_AUTO_TEST_SUITE_END()
