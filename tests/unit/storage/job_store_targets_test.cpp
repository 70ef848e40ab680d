#include <boost/test/unit_test.hpp>

#include <set>

#include "store_fixture.hpp"

// A queue for each place: targets that are away, jobs that are acknowledged before their sync.

namespace luna::storage::testing {

namespace {

using namespace std::chrono_literals;

struct fixture : store_fixture {
  fixture() {
    options.workers = 2;
    options.lanes = {{output_folder, output_folder, false}, {"bucket", "s3://b/luna", true}};
    start();
  }

  static new_job remote(std::string key, std::string stem = "a",
                        std::optional<std::vector<std::string>> there = std::nullopt) {
    auto job = job_of(std::move(key), {named(std::move(stem), "x")});
    job.target = "bucket";
    if (there)
      job.names_there["x"] = *there;
    return job;
  }

  static new_job fast(std::string key) {
    auto job = job_of(key, {named(key)});
    job.fast = true;
    return job;
  }

  /// Takes a job and finds its target away. @returns its id, or "".
  std::string try_in_vain() {
    auto work = store->take();
    if (!work)
      return {};
    auto job = store->target_away(work->id, "no answer");
    BOOST_TEST_REQUIRE(job.has_value(), luna::testing::why(job));
    BOOST_REQUIRE(store->commit());
    return work->id;
  }

  /// Takes a job and ends it as if its images were written.
  std::string write_one() {
    auto work = store->take();
    if (!work)
      return {};
    for (auto& image : work->images)
      BOOST_REQUIRE(store->image_done(work->id, image.index, image_state::done, {}));
    BOOST_REQUIRE(store->finish_attempt(work->id, {}, false));
    BOOST_REQUIRE(store->commit());
    return work->id;
  }

  std::string name_of(const std::string& id) { return path_of(status(id).images[0].name); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(job_store_targets_test, fixture)

BOOST_AUTO_TEST_CASE(a_job_knows_its_target_and_its_objects_address_also_after_a_restart) {
  auto id = submitted(remote("k", "a", std::vector<std::string>{}));
  BOOST_CHECK_EQUAL(name_of(id), "s3://b/luna/x/a.png");
  for (int round = 0; round < 2; ++round) {
    BOOST_CHECK_EQUAL(status(id).target, "bucket");
    BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  }
  auto work = store->take();
  BOOST_REQUIRE(work);
  BOOST_CHECK_EQUAL(work->target, "bucket");
}

BOOST_AUTO_TEST_CASE(a_target_that_the_configuration_does_not_have_is_refused_by_name) {
  auto job = remote("k");
  job.target = "buckte";
  auto answer = store->accept(job);
  BOOST_REQUIRE(!answer);
  BOOST_CHECK(answer.error().code == ec::bad_request);
  BOOST_CHECK_NE(answer.error().message.find("did you mean 'bucket'"), std::string::npos);
  job.target = output_folder; // a lane, but no target
  BOOST_CHECK(!store->accept(job));
}

BOOST_AUTO_TEST_CASE(names_at_a_target_are_above_those_that_stand_there) {
  auto id = submitted(remote("k", "a", std::vector<std::string>{"a.png", "a_2.png"}));
  BOOST_CHECK_EQUAL(name_of(id), "s3://b/luna/x/a_3.png");
  id = submitted(remote("l", "a", std::vector<std::string>{"a.png"}));
  BOOST_CHECK_EQUAL(name_of(id), "s3://b/luna/x/a_2.png");
  auto counted = remote("c", "n", std::vector<std::string>{"n_00041_.png"});
  counted.images[0].name.counter = counter_rule{};
  BOOST_CHECK_EQUAL(name_of(submitted(counted)), "s3://b/luna/x/n_00042_.png");
}

BOOST_AUTO_TEST_CASE(names_at_a_target_that_could_not_be_asked_are_nobody_elses) {
  auto first = submitted(remote("k"));
  BOOST_CHECK_EQUAL(name_of(first), "s3://b/luna/x/a_" + first + ".png");
  auto twice = job_of("t", {named("a", "x"), named("a", "x")});
  twice.target = "bucket";
  auto second = submitted(twice);
  BOOST_CHECK_EQUAL(status(second).images[0].name.filename, "a_" + second + ".png");
  BOOST_CHECK_EQUAL(status(second).images[1].name.filename, "a_" + second + "_2.png");
  auto literal = remote("f");
  literal.images[0].name.collision = collision_rule::fail;
  BOOST_CHECK_EQUAL(name_of(submitted(literal)), "s3://b/luna/x/a.png");
  auto bad = remote("b");
  bad.images[0].name.subfolder = "x/../y";
  auto refused = store->accept(bad);
  BOOST_REQUIRE(!refused);
  BOOST_CHECK(refused.error().code == ec::bad_request);
}

BOOST_AUTO_TEST_CASE(a_target_that_is_away_holds_its_jobs_and_no_others) {
  auto far = submitted(remote("far"));
  auto near = submitted(job_of("near", {named("near")}));
  BOOST_CHECK_EQUAL(try_in_vain(), far); // the older one
  BOOST_CHECK_EQUAL(write_one(), near);
  BOOST_CHECK(!store->take());
  BOOST_CHECK(status(near).state == job_state::done);
  auto waiting = status(far);
  BOOST_CHECK(waiting.state == job_state::queued);
  BOOST_CHECK_EQUAL(waiting.error, "no answer");
  auto counters = store->counters();
  auto lane = std::find_if(counters.lanes.begin(), counters.lanes.end(),
                           [](auto& x) { return x.name == "bucket"; });
  BOOST_REQUIRE(lane != counters.lanes.end());
  BOOST_CHECK_EQUAL(lane->problem, "no answer");
  BOOST_CHECK_EQUAL(lane->queued, 1u);
  BOOST_CHECK(!store->is_reachable("bucket"));
}

BOOST_AUTO_TEST_CASE(an_outage_of_days_uses_up_no_attempt_and_then_all_goes_on) {
  std::set<std::string> ids;
  for (auto* key : {"a", "b", "c"})
    ids.insert(submitted(remote(key, key)));
  std::set<std::string> tried;
  auto tries = 0;
  for (auto began = clock.now; clock.now - began < 48h;) {
    auto due = store->next_due();
    BOOST_REQUIRE(due || tries == 0);
    if (due)
      clock.now = *due;
    auto id = try_in_vain();
    BOOST_REQUIRE_NE(id, "");
    tried.insert(id);
    ++tries;
  }
  BOOST_CHECK_GT(tries, 2000); // at least once a minute
  BOOST_CHECK_LT(tries, 4000);
  BOOST_CHECK(tried == ids); // one that cannot go there does not keep the others
  for (auto& id : ids)
    BOOST_CHECK_EQUAL(status(id).attempts, 0u);
  for (int i = 0; i < 10; ++i) {
    write_one();
    clock.advance(1min);
  }
  for (auto& id : ids)
    BOOST_CHECK(status(id).state == job_state::done);
}

BOOST_AUTO_TEST_CASE(an_outage_is_over_after_a_restart_as_far_as_the_store_knows) {
  auto id = submitted(remote("k"));
  try_in_vain();
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  BOOST_CHECK_EQUAL(status(id).error, "no answer");
  clock.advance(3s);
  BOOST_CHECK_EQUAL(write_one(), id);
}

BOOST_AUTO_TEST_CASE(a_job_of_a_target_that_is_away_can_be_cancelled) {
  auto id = submitted(remote("k"));
  try_in_vain();
  BOOST_REQUIRE(store->cancel(id));
  BOOST_CHECK(status(id).state == job_state::cancelled);
  auto second = submitted(remote("l"));
  clock.advance(5s);
  auto work = store->take();
  BOOST_REQUIRE(work);
  BOOST_REQUIRE(store->cancel(second));
  BOOST_CHECK(store->target_away(second, "no answer")->state == job_state::cancelled);
}

BOOST_AUTO_TEST_CASE(a_job_is_cancelled_at_once_though_its_attempt_at_an_away_target_runs) {
  auto id = submitted(remote("k"));
  auto work = store->take();
  BOOST_REQUIRE(work);
  BOOST_REQUIRE(store->publishing(id, 0, {0, 10, {}}));
  BOOST_REQUIRE(store->commit());
  BOOST_REQUIRE(store->cancel(id)); // the worker waits for an answer of the target
  BOOST_REQUIRE(store->commit());
  auto job = status(id);
  BOOST_CHECK(job.state == job_state::cancelled);
  BOOST_CHECK_NE(job.images[0].error.find("may be there"), std::string::npos);
  BOOST_CHECK_EQUAL(store->counters().spool_bytes, 0u);
  auto lane = [&] {
    for (auto& x : store->counters().lanes)
      if (x.remote)
        return x;
    return lane_status{};
  };
  BOOST_CHECK_EQUAL(lane().running, 1u); // its worker is not free yet
  BOOST_CHECK_EQUAL(lane().queued, 0u);
  // Nothing of it begins any more.
  BOOST_CHECK(store->publishing(id, 0, {0, 10, {}}).error().code == ec::cancelled);
  BOOST_CHECK(store->rename(id, 0, nullptr).error().code == ec::cancelled);
  BOOST_CHECK(store->target_away(id, "no answer")->state == job_state::cancelled);
  BOOST_CHECK_EQUAL(lane().running, 0u);
  BOOST_CHECK_EQUAL(lane().problem, "no answer");
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  BOOST_CHECK(status(id).state == job_state::cancelled);
  BOOST_CHECK_EQUAL(store->counters().spool_bytes, 0u);
  clock.advance(1h);
  BOOST_CHECK(!store->take());
}

BOOST_AUTO_TEST_CASE(a_job_that_waits_for_an_away_target_after_its_record_is_cancelled_at_once) {
  auto id = submitted(remote("k"));
  BOOST_REQUIRE(store->take());
  BOOST_REQUIRE(store->publishing(id, 0, {0, 10, {}}));
  BOOST_REQUIRE(store->commit());
  BOOST_REQUIRE(store->target_away(id, "no answer"));
  BOOST_CHECK(status(id).state == job_state::queued);
  BOOST_REQUIRE(store->cancel(id));
  BOOST_REQUIRE(store->commit());
  BOOST_CHECK(status(id).state == job_state::cancelled);
  BOOST_CHECK_EQUAL(store->counters().spool_bytes, 0u);
  clock.advance(1h);
  BOOST_CHECK(!store->take());
}

BOOST_AUTO_TEST_CASE(a_picture_that_appears_after_its_job_was_cancelled_is_told) {
  auto id = submitted(remote("k"));
  BOOST_REQUIRE(store->take());
  BOOST_REQUIRE(store->publishing(id, 0, {0, 10, {}}));
  BOOST_REQUIRE(store->commit());
  BOOST_REQUIRE(store->cancel(id));
  BOOST_REQUIRE(store->commit());
  BOOST_REQUIRE(store->image_done(id, 0, image_state::done, "{}"));
  BOOST_CHECK(store->finish_attempt(id, {}, false)->state == job_state::cancelled);
  BOOST_REQUIRE(store->commit());
  for (int round = 0; round < 2; ++round) {
    BOOST_CHECK(status(id).images[0].state == image_state::done);
    BOOST_CHECK_EQUAL(status(id).images[0].error, "");
    BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  }
}

BOOST_AUTO_TEST_CASE(
  a_job_that_is_discarded_while_its_attempt_still_runs_holds_its_name_until_then) {
  auto overwriting = [](std::string key) {
    auto job = job_of(std::move(key), {named("a", "x", collision_rule::overwrite)});
    job.target = "bucket";
    return job;
  };
  auto id = submitted(overwriting("k"));
  BOOST_REQUIRE(store->take());
  BOOST_REQUIRE(store->publishing(id, 0, {0, 10, {}}));
  BOOST_REQUIRE(store->cancel(id));
  BOOST_REQUIRE(store->discard(id));
  auto next = submitted(overwriting("l"));
  BOOST_CHECK(!store->take()); // the first object may just now appear
  BOOST_REQUIRE(store->image_done(id, 0, image_state::done, "{}"));
  BOOST_CHECK(store->finish_attempt(id, {}, false).error().code == ec::unknown_job);
  BOOST_CHECK_EQUAL(write_one(), next);
}

BOOST_AUTO_TEST_CASE(a_running_job_has_its_place_in_the_counts_of_its_lane) {
  options.workers = 4;
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  submitted(remote("far"));
  submitted(remote("far 2", "b"));
  submitted(job_of("near", {named("near")}));
  BOOST_REQUIRE(store->take());
  BOOST_REQUIRE(store->take());
  BOOST_REQUIRE(store->take());
  for (auto& lane : store->counters().lanes) {
    BOOST_CHECK_EQUAL(lane.queued, 0u);
    BOOST_CHECK_EQUAL(lane.running, lane.remote ? 2u : 1u);
  }
}

BOOST_AUTO_TEST_CASE(the_time_to_the_end_is_told_once_something_was_written) {
  for (int i = 0; i < 4; ++i)
    submitted(job_of("k" + std::to_string(i), {named("k" + std::to_string(i))}));
  for (int i = 0; i < 2; ++i) {
    auto work = store->take();
    BOOST_REQUIRE(work);
    BOOST_CHECK(status(work->id).eta.has_value() == (i > 0));
    clock.advance(100ms);
    BOOST_REQUIRE(store->image_done(work->id, 0, image_state::done, {}));
    BOOST_REQUIRE(store->finish_attempt(work->id, {}, false));
    BOOST_REQUIRE(store->commit());
    BOOST_CHECK(!status(work->id).eta);
  }
  auto next = store->list(job_state::queued, 10);
  BOOST_REQUIRE_EQUAL(next->size(), 2u);
  BOOST_CHECK(next->at(1).eta == 100ms);
  BOOST_CHECK(next->at(0).eta == 200ms); // newest first
}

// -- fast ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_fast_job_may_be_told_at_once_and_runs_when_it_is_durable) {
  auto accepted = store->accept(fast("k"));
  BOOST_REQUIRE(accepted);
  BOOST_CHECK(accepted->at_once);
  BOOST_CHECK(status(accepted->job.id).state == job_state::queued);
  BOOST_CHECK(!store->take());
  BOOST_REQUIRE(store->commit());
  BOOST_CHECK_EQUAL(write_one(), accepted->job.id);
  BOOST_CHECK(!store->accept(job_of("full", {named("full")}))->at_once);
}

BOOST_AUTO_TEST_CASE(a_fast_job_outlives_the_process_before_its_sync_and_not_always_a_power_cut) {
  auto id = store->accept(fast("k"))->job.id;
  BOOST_REQUIRE_EQUAL(boot(), ""); // kill -9: what was written is there
  BOOST_CHECK(status(id).state == job_state::queued);
  id = store->accept(fast("l"))->job.id;
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  BOOST_CHECK(!store->status(id));
}

BOOST_AUTO_TEST_CASE(a_fast_job_that_the_disk_then_refuses_stays_visible_as_lost) {
  auto quick = store->accept(fast("quick"));
  auto full = store->accept(job_of("full", {named("full")}));
  BOOST_REQUIRE(quick && full);
  disk->inject({io_op::sync, "/data/log"});
  auto commit = store->commit();
  BOOST_REQUIRE(!commit);
  BOOST_TEST(commit.error().dropped == std::vector<std::string>{full->job.id},
             boost::test_tools::per_element());
  auto lost = status(quick->job.id);
  BOOST_CHECK(lost.state == job_state::failed);
  BOOST_CHECK_NE(lost.error.find("acknowledged before it was durable"), std::string::npos);
  BOOST_CHECK(!store->retry(quick->job.id));
  // While the log is not known to be sound nobody is told anything early.
  auto next = store->accept(fast("next"));
  if (next)
    BOOST_CHECK(!next->at_once);
  disk->clear_faults();
  static_cast<void>(store->commit());
  BOOST_REQUIRE(store->maintain());
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  BOOST_CHECK(status(quick->job.id).state == job_state::failed);
  auto again = submit(fast("quick")); // its client brings it again
  BOOST_REQUIRE(again);
  BOOST_CHECK(!again->known);
  BOOST_CHECK(again->at_once);
}

BOOST_AUTO_TEST_CASE(a_fast_job_can_be_cancelled_before_its_sync) {
  auto id = store->accept(fast("k"))->job.id;
  BOOST_REQUIRE(store->cancel(id));
  BOOST_REQUIRE(store->commit());
  BOOST_CHECK(status(id).state == job_state::cancelled);
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  BOOST_CHECK(status(id).state == job_state::cancelled);
  BOOST_CHECK(!store->take());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
