#include <boost/test/unit_test.hpp>

#include "storage/lanes.hpp"

// Who may have a worker, who is away, and how long it takes.

namespace luna::storage {

namespace {

using namespace std::chrono_literals;

struct fixture {
  time_point now{1000s};

  /// Takes as many workers for a lane as it may have. @returns how many that are.
  size_t fill(lanes& x, const std::string& lane) const {
    size_t count = 0;
    for (; x.may_start(lane, now); ++count) {
      x.enter(lane, 1);
      x.start(lane, now);
    }
    return count;
  }

  void end_one(lanes& x, const std::string& lane, uint64_t bytes = 1) const {
    x.stop(lane, now);
    x.leave(lane, bytes, true);
  }
};

lanes make(uint32_t workers, std::vector<lane_description> known) {
  return {{workers, 1s, 8s}, known};
}

const lane_description out{"/out", "/out", false};
const lane_description share{"/share", "/share", false};
const lane_description bucket{"bucket", "s3://b", true};
const lane_description backup{"backup", "s3://c", true};

} // namespace

BOOST_FIXTURE_TEST_SUITE(lanes_test, fixture)

BOOST_AUTO_TEST_CASE(one_folder_alone_has_all_workers) {
  auto x = make(4, {out});
  BOOST_CHECK_EQUAL(fill(x, "/out"), 4u);
}

BOOST_AUTO_TEST_CASE(beside_a_remote_target_a_folder_leaves_it_one_worker_and_the_other_way_round) {
  auto x = make(4, {out, bucket});
  BOOST_CHECK_EQUAL(fill(x, "bucket"), 3u);
  BOOST_CHECK_EQUAL(fill(x, "/out"), 1u);
  auto y = make(4, {out, bucket});
  BOOST_CHECK_EQUAL(fill(y, "/out"), 3u);
  BOOST_CHECK_EQUAL(fill(y, "bucket"), 1u);
}

BOOST_AUTO_TEST_CASE(two_targets_that_hang_leave_a_worker_for_the_folder_in_whatever_order) {
  auto x = make(4, {out, bucket, backup});
  BOOST_CHECK_EQUAL(fill(x, "bucket"), 2u);
  BOOST_CHECK_EQUAL(fill(x, "backup"), 1u);
  BOOST_CHECK_EQUAL(fill(x, "/out"), 1u);
}

BOOST_AUTO_TEST_CASE(a_slow_share_leaves_a_worker_for_the_other_folder) {
  auto x = make(4, {out, share});
  BOOST_CHECK_EQUAL(fill(x, "/share"), 3u);
  BOOST_CHECK_EQUAL(fill(x, "/out"), 1u);
}

BOOST_AUTO_TEST_CASE(with_two_workers_each_of_two_places_has_one) {
  auto x = make(2, {out, bucket});
  BOOST_CHECK_EQUAL(fill(x, "bucket"), 1u);
  BOOST_CHECK_EQUAL(fill(x, "/out"), 1u);
}

BOOST_AUTO_TEST_CASE(what_is_away_is_tried_by_one_job_after_pauses_that_double_to_the_longest) {
  auto x = make(4, {out, bucket});
  auto want = now;
  for (auto pause : {1s, 2s, 4s, 8s, 8s}) {
    now = want;
    BOOST_CHECK(x.went_down("bucket", "no answer", now) == now + pause);
    BOOST_CHECK(!x.may_start("bucket", now));
    BOOST_CHECK(!x.may_start("bucket", now + pause - 1ms));
    BOOST_CHECK(x.held_until("bucket") == now + pause);
    want = now + pause;
    BOOST_CHECK(x.may_start("bucket", want));
  }
  now = want;
  BOOST_CHECK_EQUAL(fill(x, "bucket"), 1u);
  BOOST_CHECK_EQUAL(fill(x, "/out"), 3u);
  x.came_up("bucket");
  BOOST_CHECK(!x.held_until("bucket"));
  BOOST_CHECK(x.went_down("bucket", "again", now) == now + 1s);
}

BOOST_AUTO_TEST_CASE(several_attempts_that_find_a_target_away_count_once) {
  auto x = make(4, {out, bucket});
  auto first = x.went_down("bucket", "no answer", now);
  BOOST_CHECK(x.went_down("bucket", "no answer", now + 10ms) == first);
  BOOST_CHECK(x.went_down("bucket", "no answer", now + 999ms) == first);
  BOOST_CHECK(x.went_down("bucket", "no answer", now + 1s) == now + 3s);
}

BOOST_AUTO_TEST_CASE(the_time_to_the_end_follows_the_throughput_and_what_is_ahead) {
  auto x = make(1, {out});
  BOOST_CHECK(!x.eta("/out", x.enter("/out", 1000)));
  for (int i = 0; i < 4; ++i) { // 1000 bytes in 100 ms
    x.enter("/out", 1000);
    x.start("/out", now);
    now += 100ms;
    end_one(x, "/out", 1000);
    now += 1h; // nobody works: that is no time
  }
  auto ahead = x.enter("/out", 4000);
  auto last = x.enter("/out", 5000);
  BOOST_CHECK(x.eta("/out", ahead) == 500ms); // the first job of all still waits
  BOOST_CHECK(x.eta("/out", last) == 1000ms);
  x.went_down("/out", "away", now);
  BOOST_CHECK(!x.eta("/out", last));
}

BOOST_AUTO_TEST_CASE(jobs_that_were_given_up_say_nothing_of_the_throughput) {
  auto x = make(1, {out});
  for (int i = 0; i < 3; ++i) {
    x.enter("/out", 1000);
    x.start("/out", now);
    now += 100ms;
    x.stop("/out", now);
    x.leave("/out", 1000, false);
  }
  BOOST_CHECK(!x.eta("/out", x.enter("/out", 1000)));
}

BOOST_AUTO_TEST_CASE(a_clock_that_is_set_back_does_no_harm) {
  auto x = make(1, {out});
  for (int i = 0; i < 4; ++i) {
    x.enter("/out", 1000);
    x.start("/out", now);
    now -= 1h;
    end_one(x, "/out", 1000);
  }
  BOOST_CHECK(!x.eta("/out", x.enter("/out", 1000)));
  x.start("/out", now);
  now += 400ms;
  end_one(x, "/out", 1000);
  BOOST_CHECK(x.eta("/out", x.enter("/out", 1000)).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage
