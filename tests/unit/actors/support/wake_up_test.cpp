#include <boost/test/unit_test.hpp>

#include "actors/support/wake_up.hpp"

using namespace luna;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(wake_up_test)

BOOST_AUTO_TEST_CASE(a_deadline_a_day_away_costs_one_message_a_second) {
  wake_up uut;
  auto now = wake_up::time_point{} + 1h;
  BOOST_CHECK(uut.plan(now, now + 24h) == 1000ms);
  BOOST_CHECK(!uut.plan(now, now + 23h));
  BOOST_CHECK(!uut.plan(now + 1ms, now + 22h));
  auto first = uut.generation();
  now += 1s;
  BOOST_CHECK(uut.woke(first));
  BOOST_CHECK(uut.plan(now, now + 24h) == 1000ms);
}

BOOST_AUTO_TEST_CASE(an_earlier_deadline_takes_the_place_of_a_later_one) {
  wake_up uut;
  auto now = wake_up::time_point{} + 1h;
  BOOST_CHECK(uut.plan(now, now + 500ms) == 500ms);
  auto later = uut.generation();
  BOOST_CHECK(uut.plan(now, now + 100ms) == 100ms);
  BOOST_CHECK(!uut.woke(later));
  BOOST_CHECK(uut.woke(uut.generation()));
}

BOOST_AUTO_TEST_CASE(a_deadline_that_has_passed_wakes_at_once) {
  wake_up uut;
  auto now = wake_up::time_point{} + 1h;
  BOOST_CHECK(uut.plan(now, now - 5s) == 0ms);
}

BOOST_AUTO_TEST_SUITE_END()
