#include <boost/test/unit_test.hpp>

#include "actors/pool/pool_stats.hpp"

using namespace luna;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(pool_stats_test)

BOOST_AUTO_TEST_CASE(without_requests_everything_is_zero) {
  pool_stats uut;
  BOOST_TEST(uut.percentile_us(0.5) == 0u);
  BOOST_TEST(uut.completed() == 0u);
  BOOST_TEST(uut.failed() == 0u);
}

BOOST_AUTO_TEST_CASE(percentiles_are_of_successes_only) {
  pool_stats uut;
  for (int i = 100; i >= 1; --i)
    uut.answered(std::chrono::milliseconds{i}, true);
  uut.answered(1h, false);
  BOOST_TEST(uut.percentile_us(0.5) == 50000u);
  BOOST_TEST(uut.percentile_us(0.95) == 95000u);
  BOOST_TEST(uut.completed() == 100u);
  BOOST_TEST(uut.failed() == 1u);
}

BOOST_AUTO_TEST_CASE(old_requests_leave_the_window) {
  pool_stats uut{3};
  for (auto latency : {900ms, 900ms, 900ms, 1ms, 2ms, 3ms})
    uut.answered(latency, true);
  BOOST_TEST(uut.percentile_us(1.0) == 3000u);
}

BOOST_AUTO_TEST_CASE(the_hint_follows_the_pace_within_bounds) {
  pool_stats uut;
  BOOST_TEST(uut.retry_after(10).count() == 5000); // unknown pace: a second a task
  uut.served(400ms, 4);
  BOOST_TEST(uut.retry_after(10).count() == 500);
  BOOST_TEST(uut.retry_after(0).count() == 100);
  BOOST_TEST(uut.retry_after(1000000).count() == 60000);
}

BOOST_AUTO_TEST_SUITE_END()
