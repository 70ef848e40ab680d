#include <boost/test/unit_test.hpp>

#include "store_fixture.hpp"

// What happens around a saving node: a clock that is set, folders that vanish, a second node.

namespace luna::storage::testing {

namespace {

using namespace std::chrono_literals;

struct fixture : store_fixture {
  fixture() { start(); }

  bool is_done(const std::string& id) { return status(id).state == job_state::done; }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(faults_test, fixture)

BOOST_AUTO_TEST_CASE(a_clock_that_is_set_back_a_year_delays_no_attempt) {
  auto id = submitted(job_of("k", {named("a")}));
  disk->inject({io_op::create, "/out", io_kind::broken, 0, 1});
  BOOST_REQUIRE(work_once());
  BOOST_REQUIRE(status(id).state == job_state::queued);
  clock.now -= 365 * 24h;
  BOOST_CHECK(work_once());
  BOOST_CHECK(is_done(id));
}

BOOST_AUTO_TEST_CASE(a_clock_that_is_set_back_while_the_node_is_down_delays_no_attempt) {
  auto id = submitted(job_of("k", {named("a")}));
  disk->inject({io_op::create, "/out", io_kind::broken, 0, 1});
  BOOST_REQUIRE(work_once());
  clock.now -= 365 * 24h;
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  clock.advance(options.max_backoff);
  BOOST_CHECK(work_once());
  BOOST_CHECK(is_done(id));
  // And what comes then is newer than what was, also for the list.
  auto next = submitted(job_of("l", {named("b")}));
  BOOST_CHECK_GT(next, id);
  BOOST_CHECK_EQUAL(store->list(std::nullopt, 10)->front().id, next);
}

BOOST_AUTO_TEST_CASE(a_clock_that_is_set_back_ends_the_pause_of_a_target) {
  options.lanes = {{"bucket", "s3://b", true}};
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  auto job = job_of("k", {named("a")});
  job.target = "bucket";
  auto id = submitted(job);
  BOOST_REQUIRE(store->take());
  BOOST_REQUIRE(store->target_away(id, "no answer"));
  clock.now -= 24h;
  auto work = store->take();
  BOOST_REQUIRE(work);
  BOOST_CHECK_EQUAL(work->id, id);
}

BOOST_AUTO_TEST_CASE(a_clock_that_is_set_forward_forgets_no_job_that_waits) {
  auto id = submitted(job_of("k", {named("a")}));
  clock.advance(24h * 365 * 10);
  BOOST_REQUIRE(store->maintain());
  BOOST_CHECK(work_once());
  BOOST_CHECK(is_done(id));
}

BOOST_AUTO_TEST_CASE(a_folder_that_was_removed_under_a_job_is_made_again) {
  auto first = submitted(job_of("k", {named("a", "x/y")}));
  work_all();
  BOOST_REQUIRE(is_done(first));
  auto second = submitted(job_of("l", {named("b", "x/y")}));
  auto folder = *disk->open_directory("/out/x");
  BOOST_REQUIRE(folder->rename("y", "moved"));
  BOOST_REQUIRE(folder->sync());
  work_all();
  BOOST_CHECK(is_done(second));
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), ""); // durable on the whole way
  BOOST_CHECK(disk->contents("/out/x/y/b.png").has_value());
}

BOOST_AUTO_TEST_CASE(
  an_output_folder_that_is_gone_fails_its_jobs_with_its_name_and_keeps_the_pixels) {
  auto gone = job_of("k", {named("a")});
  gone.images[0].name.root = "/mount";
  BOOST_REQUIRE(disk->make_directories("/mount"));
  auto id = submitted(gone);
  auto near = submitted(job_of("l", {named("b")}));
  disk->inject({io_op::open, "/mount", io_kind::not_found});
  for (int i = 0; i < 10; ++i) {
    work_all();
    clock.advance(1min);
  }
  BOOST_CHECK(is_done(near));
  BOOST_CHECK(status(id).state == job_state::failed);
  BOOST_CHECK_NE(status(id).error.find("/mount"), std::string::npos);
  disk->clear_faults(); // mounted again
  BOOST_REQUIRE(store->retry(id));
  work_all();
  BOOST_CHECK(is_done(id));
}

BOOST_AUTO_TEST_CASE(two_nodes_that_share_an_output_folder_go_round_what_the_other_has_written) {
  auto data = disk->make_directories("/data2");
  auto theirs = job_store::open(disk, *data, options);
  BOOST_REQUIRE(theirs);
  submitted(job_of("mine", {named("a")}, 1));
  work_all();
  auto other = theirs->store->accept(job_of("theirs", {named("a")}, 2));
  BOOST_REQUIRE(other);
  BOOST_CHECK_EQUAL(other->job.images[0].name.filename, "a_2.png");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
