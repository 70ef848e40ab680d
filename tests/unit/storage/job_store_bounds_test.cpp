#include <boost/test/unit_test.hpp>

#include "store_fixture.hpp"

// Bounds, forgetting, space, and disks that fail.

namespace luna::storage::testing {

namespace {

using namespace std::chrono_literals;

struct fixture : store_fixture {
  void save_one(std::string key = {}) {
    submitted(job_of(std::move(key), {named("a")}));
    work_all();
  }

  failure refusal(new_job job) {
    auto x = submit(std::move(job));
    BOOST_REQUIRE(!x);
    return x.error();
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(job_store_bounds_test, fixture)

BOOST_AUTO_TEST_CASE(a_full_spool_is_overloaded_with_a_hint_until_something_is_written) {
  options.spool_bytes = 2500;
  start();
  submitted(job_of("", {named("a")}));
  submitted(job_of("", {named("a")}));
  auto full = refusal(job_of("", {named("a")}));
  BOOST_CHECK(full.code == ec::overloaded);
  BOOST_CHECK_GT(full.retry_after_ms, 0u);
  BOOST_CHECK_EQUAL(store->counters().queued, 2u);
  work_all();
  BOOST_CHECK(submit(job_of("", {named("a")})));
}

BOOST_AUTO_TEST_CASE(a_refused_job_leaves_no_promise_and_no_key) {
  options.spool_bytes = 2500;
  start();
  submitted(job_of("", {named("a"), named("b")}));
  refusal(job_of("k", {named("c"), named("d")}));
  work_all();
  auto later = submit(job_of("k", {named("c")}));
  BOOST_REQUIRE(later);
  BOOST_CHECK(!later->known);
  BOOST_CHECK_EQUAL(later->job.images[0].name.filename, "c.png");
}

BOOST_AUTO_TEST_CASE(a_job_larger_than_the_spool_is_refused_for_good) {
  options.spool_bytes = 2500;
  start();
  BOOST_CHECK(refusal(job_of("", {named("a")}, 0, 5000)).code == ec::bad_request);
}

BOOST_AUTO_TEST_CASE(too_many_unwritten_jobs_are_overloaded) {
  options.max_jobs = 3;
  start();
  for (int i = 0; i < 3; ++i)
    submitted(job_of("", {named("a")}));
  auto full = refusal(job_of("", {named("a")}));
  BOOST_CHECK(full.code == ec::overloaded);
  BOOST_CHECK_GT(full.retry_after_ms, 0u);
}

BOOST_AUTO_TEST_CASE(done_jobs_make_room_before_their_time_but_failed_ones_do_not) {
  options.max_jobs = 3;
  start();
  auto failed = submitted(job_of("", {named("a")}));
  BOOST_REQUIRE(store->take());
  BOOST_REQUIRE(store->finish_attempt(failed, "bad", true));
  save_one();
  save_one();
  for (int i = 0; i < 5; ++i)
    save_one();
  BOOST_CHECK(store->status(failed));
  BOOST_CHECK_LE(store->list(std::nullopt, 100)->size(), 3u);
}

BOOST_AUTO_TEST_CASE(ended_jobs_are_forgotten_after_their_time_with_their_keys) {
  start();
  save_one("k");
  auto id = store->list(std::nullopt, 1)->front().id;
  clock.advance(options.keep);
  BOOST_REQUIRE(store->maintain());
  BOOST_CHECK(store->status(id));
  clock.advance(1ms);
  BOOST_REQUIRE(store->maintain());
  BOOST_CHECK(store->status(id).error().code == ec::unknown_job);
  BOOST_CHECK(store->list(std::nullopt, 10)->empty());
  auto again = submit(job_of("k", {named("a")}));
  BOOST_REQUIRE(again);
  BOOST_CHECK(!again->known);
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  BOOST_CHECK(store->status(id).error().code == ec::unknown_job);
}

BOOST_AUTO_TEST_CASE(failed_jobs_are_forgotten_after_their_time_with_their_pixels) {
  start();
  auto id = submitted(job_of("", {named("a")}));
  BOOST_REQUIRE(store->take());
  BOOST_REQUIRE(store->finish_attempt(id, "bad", true));
  BOOST_REQUIRE(store->commit());
  clock.advance(options.keep + 1ms);
  BOOST_REQUIRE(store->maintain());
  BOOST_CHECK(!store->status(id));
  BOOST_CHECK_EQUAL(store->counters().spool_bytes, 0u);
  auto next = submitted(job_of("", {named("a")}));
  BOOST_CHECK_EQUAL(store->status(next)->images[0].name.filename, "a.png");
}

BOOST_AUTO_TEST_CASE(jobs_that_wait_are_never_forgotten) {
  start();
  auto id = submitted(job_of("", {named("a")}));
  clock.advance(options.keep * 10);
  BOOST_REQUIRE(store->maintain());
  BOOST_CHECK(store->status(id));
}

BOOST_AUTO_TEST_CASE(the_log_stays_small_however_many_jobs_go_through) {
  options.keep = 10s;
  start();
  uint64_t most = 0;
  for (int i = 0; i < 300; ++i) {
    submitted(job_of("", {named("a" + std::to_string(i))}, 0, 3000));
    work_all();
    BOOST_REQUIRE(store->maintain());
    clock.advance(1s);
    most = std::max(most, store->counters().disk_bytes);
  }
  BOOST_CHECK_LE(most, 8 * options.log.segment_bytes);
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  BOOST_CHECK(report.damages.empty());
  BOOST_CHECK_LE(store->counters().done, 12u);
}

BOOST_AUTO_TEST_CASE(the_log_stays_small_under_load_between_two_upkeeps) {
  start();
  for (int i = 0; i < 200; ++i) {
    submitted(job_of("", {named("a" + std::to_string(i))}, 0, 3000));
    work_all();
  }
  BOOST_CHECK_LE(store->counters().disk_bytes, 24 * options.log.segment_bytes);
}

BOOST_AUTO_TEST_CASE(jobs_that_are_kept_are_carried_forward_when_their_segment_is_given_back) {
  start();
  std::vector<std::string> ids;
  auto failed = submitted(job_of("f", {named("f")}, 9));
  BOOST_REQUIRE(store->take());
  BOOST_REQUIRE(store->finish_attempt(failed, "bad", true));
  for (int i = 0; i < 40; ++i) {
    ids.push_back(submitted(job_of("k" + std::to_string(i), {named("a")}, 0, 3000)));
    work_all();
    BOOST_REQUIRE(store->maintain());
  }
  BOOST_CHECK_LE(store->counters().disk_bytes, 8 * options.log.segment_bytes);
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  for (auto& id : ids)
    BOOST_CHECK(store->status(id).value().state == job_state::done);
  BOOST_REQUIRE(store->retry(failed));
  work_all();
  BOOST_CHECK(disk->contents("/out/f.png") == encoded(pixels_of(9)));
  BOOST_CHECK(submit(job_of("k7", {named("a")}, 0, 3000))->known);
}

// -- disks that fail -----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_submit_whose_sync_fails_is_refused_and_does_not_exist) {
  start();
  disk->inject({io_op::sync, "/data/log", io_kind::broken});
  auto accepted = store->accept(job_of("k", {named("a")}));
  if (accepted) {
    auto failed = store->commit();
    BOOST_REQUIRE(!failed);
    BOOST_CHECK(failed.error().reason.code == ec::unavailable);
    BOOST_CHECK((failed.error().dropped == std::vector{accepted->job.id}));
    BOOST_CHECK(!store->status(accepted->job.id));
  }
  BOOST_CHECK_NE(store->counters().problem, "");
  disk->clear_faults();
  auto again = submit(job_of("k", {named("a")}));
  BOOST_REQUIRE(again);
  BOOST_CHECK(!again->known);
  BOOST_CHECK_EQUAL(again->job.images[0].name.filename, "a.png");
  BOOST_CHECK_EQUAL(store->counters().problem, "");
}

BOOST_AUTO_TEST_CASE(a_submit_that_was_refused_does_not_come_back_with_a_restart) {
  start();
  save_one();
  disk->inject({io_op::sync, "/data/log", io_kind::broken});
  auto accepted = store->accept(job_of("k", {named("b")}));
  BOOST_REQUIRE(accepted);
  BOOST_REQUIRE(!store->commit());
  disk->clear_faults();
  BOOST_REQUIRE(store->commit()); // writes that it is not to be
  for (auto mode : {survival::everything, survival::synced}) {
    BOOST_REQUIRE_EQUAL(power_cycle(mode), "");
    BOOST_CHECK(!store->status(accepted->job.id));
    work_all();
    BOOST_CHECK(!disk->contents("/out/b.png"));
  }
}

BOOST_AUTO_TEST_CASE(a_single_failed_sync_goes_unnoticed_by_clients) {
  start();
  save_one();
  disk->inject({io_op::sync, "/data/log", io_kind::broken, 0, 1});
  auto id = submitted(job_of("", {named("b")}));
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  BOOST_CHECK(store->status(id));
  work_all();
  BOOST_CHECK(disk->contents("/out/b.png"));
}

BOOST_AUTO_TEST_CASE(changes_of_a_job_are_kept_until_they_can_be_written) {
  start();
  auto id = submitted(job_of("", {named("a")}));
  auto work = store->take();
  BOOST_REQUIRE(store->image_done(id, 0, image_state::done, {}));
  disk->inject({io_op::sync, "/data/log", io_kind::broken});
  BOOST_CHECK(!store->commit());
  BOOST_CHECK(store->finish_attempt(id, {}, false)->state == job_state::done);
  BOOST_CHECK(!store->commit());
  disk->clear_faults();
  BOOST_REQUIRE(store->commit());
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  BOOST_CHECK(store->status(id)->state == job_state::done);
}

BOOST_AUTO_TEST_CASE(a_full_data_disk_is_overloaded_with_a_hint_and_comes_back) {
  start();
  disk->set_capacity(1000);
  auto full = refusal(job_of("", {named("a")}));
  BOOST_CHECK(full.code == ec::overloaded);
  BOOST_CHECK_GT(full.retry_after_ms, 0u);
  disk->set_capacity(1 << 20);
  submitted(job_of("", {named("a")}));
}

BOOST_AUTO_TEST_CASE(a_read_only_data_disk_is_not_permitted) {
  start();
  disk->inject({io_op::create, "/data/log", io_kind::read_only});
  BOOST_CHECK(refusal(job_of("", {named("a")})).code == ec::not_permitted);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
