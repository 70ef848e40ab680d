#include <boost/test/unit_test.hpp>

#include <vector>

#include "actors/cluster/refusal_log.hpp"

using namespace luna;
using namespace std::chrono_literals;

namespace {

struct fixture {
  std::vector<std::string> lines;
  refusal_log uut{[this](const std::string& line) { lines.push_back(line); }};
  refusal_log::time_point now{1h};
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(refusal_log_test, fixture)

BOOST_AUTO_TEST_CASE(a_problem_is_told_at_once_and_again_after_a_while) {
  for (auto i = 0; i < 100; ++i)
    uut.add("10.0.0.9", "it has expired; this machine's clock says " + std::to_string(i), now);
  BOOST_REQUIRE_EQUAL(lines.size(), 1u);
  BOOST_CHECK_EQUAL(lines[0], "a connection from 10.0.0.9 was refused: it has expired; this "
                              "machine's clock says 0");
  uut.add("10.0.0.9", "it has expired", now + 61s);
  BOOST_REQUIRE_EQUAL(lines.size(), 2u);
  BOOST_CHECK_EQUAL(lines[1], "a connection from 10.0.0.9 was refused: it has expired; 99 times "
                              "since this was last said");
}

BOOST_AUTO_TEST_CASE(another_address_or_problem_is_told_too) {
  uut.add("10.0.0.9", "it speaks HTTP", now);
  uut.add("10.0.0.8", "it speaks HTTP", now);
  uut.add("10.0.0.8", "it shows no certificate", now);
  BOOST_CHECK_EQUAL(lines.size(), 3u);
}

BOOST_AUTO_TEST_CASE(strangers_cannot_fill_the_log) {
  for (auto i = 0; i < 10000; ++i)
    uut.add("10.0." + std::to_string(i), "it speaks HTTP", now);
  BOOST_REQUIRE_EQUAL(lines.size(), refusal_log::max_lines);
  uut.add("10.0.0.9", "it has expired", now + 10s);
  BOOST_CHECK_EQUAL(lines.back(), "a connection from 10.0.0.9 was refused: it has expired; 9990 "
                                  "other refusals were left out of the log");
}

BOOST_AUTO_TEST_SUITE_END()
