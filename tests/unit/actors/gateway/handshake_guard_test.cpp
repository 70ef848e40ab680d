#include <boost/test/unit_test.hpp>

#include <chrono>
#include <string>

#include "actors/gateway/handshake_guard.hpp"

using namespace luna;
using namespace std::chrono_literals;

namespace {

/// A gateway for 64 strangers and 256 clients, and a clock that the tests move.
struct fixture {
  handshake_guard uut{64, 256};
  handshake_guard::time_point now = handshake_guard::time_point{} + 24h;
  std::string stranger = "203.0.113.9";
  std::string other = "203.0.113.10";
  std::string artist = "10.0.0.7";

  bool enters(const std::string& address) { return !uut.enter(address, now); }

  /// A client comes, is let in, and leaves.
  void visit(const std::string& address) {
    BOOST_REQUIRE(enters(address));
    uut.admitted(address);
    uut.leave(address, true, now);
  }

  void guess(const std::string& address, int times) {
    for (int i = 0; i < times; ++i)
      uut.wrong_proof(address, now);
  }

  std::chrono::milliseconds wait_of(const std::string& address) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(uut.judge_at(address, now) - now);
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(handshake_guard_test, fixture)

BOOST_AUTO_TEST_CASE(handshakes_of_one_address_do_not_shut_out_others) {
  int open = 0;
  for (int i = 0; i < 64; ++i)
    open += enters(stranger) ? 1 : 0;
  BOOST_CHECK_EQUAL(open, 16);
  BOOST_CHECK(enters(other));
  BOOST_CHECK(uut.enter(stranger, now)->find(stranger) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_address_with_clients_gets_in_however_many_strangers_wait) {
  visit(artist);
  for (int i = 0; i < 64; ++i)
    BOOST_REQUIRE(enters("198.51.100." + std::to_string(i)));
  BOOST_CHECK(!enters(other));
  for (int i = 0; i < 256; ++i)
    BOOST_REQUIRE(enters(artist));
  BOOST_CHECK(!enters(artist));
}

BOOST_AUTO_TEST_CASE(a_place_is_free_again_when_its_peer_has_left) {
  for (int i = 0; i < 16; ++i)
    BOOST_REQUIRE(enters(stranger));
  BOOST_CHECK(!enters(stranger));
  uut.leave(stranger, false, now);
  BOOST_CHECK(enters(stranger));
}

BOOST_AUTO_TEST_CASE(an_address_is_a_stranger_again_an_hour_after_its_last_client) {
  visit(artist);
  now += 1h;
  for (int i = 0; i < 16; ++i)
    BOOST_REQUIRE(enters(artist));
  BOOST_CHECK(!enters(artist));
}

BOOST_AUTO_TEST_CASE(after_five_wrong_proofs_ten_a_second_are_judged) {
  guess(stranger, 4);
  BOOST_CHECK_EQUAL(wait_of(stranger).count(), 0);
  guess(stranger, 1);
  for (int i = 0; i < 10; ++i)
    BOOST_CHECK_EQUAL(wait_of(stranger).count(), 100 * i);
  BOOST_CHECK_EQUAL(wait_of(other).count(), 0);
  now += 1s;
  BOOST_CHECK_EQUAL(wait_of(stranger).count(), 0);
}

BOOST_AUTO_TEST_CASE(wrong_proofs_are_forgiven_after_a_minute_without_one) {
  guess(stranger, 5);
  now += 59s;
  wait_of(stranger);
  BOOST_CHECK_GT(wait_of(stranger).count(), 0);
  now += 1s;
  BOOST_CHECK_EQUAL(wait_of(stranger).count(), 0);
  guess(stranger, 4);
  BOOST_CHECK_EQUAL(wait_of(stranger).count(), 0);
}

BOOST_AUTO_TEST_CASE(wrong_proofs_are_logged_once_in_ten_seconds) {
  BOOST_CHECK(uut.wrong_proof(stranger, now));
  for (int i = 0; i < 99; ++i)
    BOOST_CHECK(!uut.wrong_proof(i % 2 ? stranger : other, now));
  now += 10s;
  auto line = uut.wrong_proof(stranger, now);
  BOOST_REQUIRE(line);
  BOOST_CHECK_MESSAGE(line->starts_with("100 hello(s)"), *line);
  BOOST_CHECK_MESSAGE(line->find(stranger) != std::string::npos, *line);
}

BOOST_AUTO_TEST_CASE(addresses_without_end_do_not_fill_the_memory_or_take_places_of_those_here) {
  BOOST_REQUIRE(enters(stranger));
  for (int i = 0; i < 20000; ++i) {
    auto address = "2001:db8:" + std::to_string(i) + "::/64";
    BOOST_REQUIRE(enters(address));
    uut.wrong_proof(address, now);
    uut.leave(address, false, now);
  }
  uut.leave(stranger, false, now); // it is still known to be here
}

BOOST_AUTO_TEST_SUITE_END()
