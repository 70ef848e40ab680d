#include <boost/test/unit_test.hpp>

#include <vector>

#include "actors/cluster/restart_policy.hpp"

using namespace luna;
using namespace std::chrono_literals;

namespace {

struct fixture {
  restart_policy::time_point now{1h};
  restart_limits limits = [] {
    restart_limits x;
    x.intensity = 4;
    x.period = 60s;
    x.first_delay = 100ms;
    x.longest_delay = 300ms;
    x.jitter = 0;
    return x;
  }();
  restart_policy uut{limits};
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(restart_policy_test, fixture)

BOOST_AUTO_TEST_CASE(the_pause_doubles_up_to_the_longest) {
  std::vector<int64_t> delays;
  for (int i = 0; i < 4; ++i)
    delays.push_back(uut.failed(now).value().count());
  BOOST_TEST(delays == (std::vector<int64_t>{100, 200, 300, 300}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(it_gives_up_at_one_failure_more_than_the_intensity) {
  for (int i = 0; i < 4; ++i)
    BOOST_REQUIRE(uut.failed(now));
  BOOST_TEST(!uut.failed(now + 59s));
  BOOST_TEST((uut.quiet_at() == now + 59s + 60s));
}

BOOST_AUTO_TEST_CASE(failures_older_than_the_period_no_longer_count) {
  for (int i = 0; i < 4; ++i)
    uut.failed(now);
  BOOST_TEST(uut.recent(now + 59s) == 4u);
  BOOST_TEST(uut.recent(now + 60s) == 0u);
  BOOST_TEST(uut.failed(now + 60s).value().count() == 100);
}

BOOST_AUTO_TEST_CASE(jitter_stays_within_its_part_and_depends_on_the_seed) {
  limits.jitter = 0.2;
  limits.intensity = 1000;
  restart_policy one{limits, 1};
  restart_policy same{limits, 1};
  restart_policy other{limits, 2};
  auto differs = false;
  for (int i = 0; i < 100; ++i, now += 61s) {
    auto delay = one.failed(now).value();
    BOOST_TEST((delay >= 80ms && delay <= 120ms));
    BOOST_TEST((delay == same.failed(now).value()));
    differs = differs || delay != other.failed(now).value();
  }
  BOOST_TEST(differs);
}

BOOST_AUTO_TEST_CASE(forgetting_starts_over) {
  uut.failed(now);
  uut.failed(now);
  uut.forget();
  BOOST_TEST(uut.failed(now).value().count() == 100);
}

BOOST_AUTO_TEST_SUITE_END()
