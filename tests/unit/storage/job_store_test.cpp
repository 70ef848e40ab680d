#include <boost/test/unit_test.hpp>

#include "store_fixture.hpp"

// The life of a job: submit, attempts, control.

namespace luna::storage::testing {

namespace {

using namespace std::chrono_literals;

struct fixture : store_fixture {
  fixture() { start(); }

  std::string state(const std::string& id) { return std::string{to_string(status(id).state)}; }

  /// Lets every temporary file fail.
  void break_output(io_kind kind) { disk->inject({io_op::create, "/out/", kind}); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(job_store_test, fixture)

BOOST_AUTO_TEST_CASE(a_job_is_queued_then_running_then_done) {
  auto id = submitted(job_of("", {named("a"), named("b")}));
  BOOST_CHECK_EQUAL(state(id), "queued");
  auto work = store->take();
  BOOST_REQUIRE(work);
  BOOST_CHECK_EQUAL(work->id, id);
  BOOST_CHECK_EQUAL(work->plan, "plan of ");
  BOOST_CHECK_EQUAL(work->attempt, 1u);
  BOOST_CHECK_EQUAL(state(id), "running");
  save(*work, work->images[0]);
  BOOST_CHECK_EQUAL(status(id).progress(), 0.5);
  save(*work, work->images[1]);
  auto end = store->finish_attempt(id, {}, false, "{\"archive\":\"x.zip\"}");
  BOOST_REQUIRE(end);
  BOOST_CHECK(store->commit());
  auto done = status(id);
  BOOST_CHECK_EQUAL(state(id), "done");
  BOOST_CHECK_EQUAL(done.attempts, 1u);
  BOOST_CHECK_EQUAL(done.detail, "{\"archive\":\"x.zip\"}");
  BOOST_CHECK(done.ended == clock.now);
  BOOST_CHECK(disk->contents("/out/b.png") == encoded(pixels_of(1)));
}

BOOST_AUTO_TEST_CASE(a_job_that_is_not_durable_is_not_given_to_a_worker) {
  BOOST_REQUIRE(store->accept(job_of("", {named("a")})));
  BOOST_CHECK(!store->take());
  BOOST_REQUIRE(store->commit());
  BOOST_CHECK(store->take());
}

BOOST_AUTO_TEST_CASE(many_submits_share_one_sync) {
  auto before = store->counters().commits;
  for (int i = 0; i < 5; ++i)
    BOOST_REQUIRE(store->accept(job_of("", {named("a")})));
  BOOST_REQUIRE(store->commit());
  BOOST_CHECK_EQUAL(store->counters().commits, before + 1);
  BOOST_CHECK_EQUAL(store->counters().queued, 5u);
}

BOOST_AUTO_TEST_CASE(ids_differ_and_grow) {
  auto first = submitted(job_of("", {named("a")}));
  auto second = submitted(job_of("", {named("a")}));
  clock.advance(-10s);
  auto third = submitted(job_of("", {named("a")}));
  BOOST_CHECK_LT(first, second);
  BOOST_CHECK_LT(second, third);
}

BOOST_AUTO_TEST_CASE(the_same_key_and_task_is_the_same_job) {
  auto first = submitted(job_of("k", {named("a")}));
  auto again = submit(job_of("k", {named("a")}));
  BOOST_REQUIRE(again);
  BOOST_CHECK(again->known);
  BOOST_CHECK_EQUAL(again->job.id, first);
  work_all();
  BOOST_REQUIRE(store->maintain());
  auto later = submit(job_of("k", {named("a")}));
  BOOST_REQUIRE(later);
  BOOST_CHECK_EQUAL(later->job.id, first);
  BOOST_CHECK(later->job.state == job_state::done);
}

BOOST_AUTO_TEST_CASE(the_same_key_twice_in_one_commit_is_one_job) {
  auto first = store->accept(job_of("k", {named("a")}));
  auto again = store->accept(job_of("k", {named("a")}));
  BOOST_REQUIRE(again);
  BOOST_CHECK_EQUAL(again->job.id, first->job.id);
}

BOOST_AUTO_TEST_CASE(the_same_key_with_another_task_or_other_pixels_is_refused) {
  submitted(job_of("k", {named("a")}));
  auto other_task = job_of("k", {named("a")});
  other_task.task += " ";
  auto refused = submit(std::move(other_task));
  BOOST_REQUIRE(!refused);
  BOOST_CHECK(refused.error().code == ec::bad_request);
  BOOST_CHECK(!submit(job_of("k", {named("a")}, 7)));
  auto other_plan = job_of("k", {named("a")});
  other_plan.plan = "made at another moment";
  BOOST_CHECK(submit(std::move(other_plan)));
  work_all();
  BOOST_REQUIRE(store->maintain());
  BOOST_CHECK(!submit(job_of("k", {named("a")}, 7)));
}

BOOST_AUTO_TEST_CASE(jobs_that_make_no_sense_are_refused) {
  BOOST_CHECK(store->accept(job_of("", {})).error().code == ec::bad_request);
  BOOST_CHECK(store->accept(job_of(std::string(201, 'k'), {named("a")})).error().code
              == ec::bad_request);
  BOOST_CHECK(store->accept(job_of("", {named("a/b")})).error().code == ec::bad_request);
  BOOST_CHECK_EQUAL(store->counters().queued, 0u);
}

BOOST_AUTO_TEST_CASE(higher_priority_goes_first_then_the_older_job) {
  auto submit_with = [&](int8_t priority) {
    auto job = job_of("", {named("a")});
    job.priority = priority;
    return submitted(std::move(job));
  };
  auto low = submit_with(-1);
  auto first = submit_with(0);
  auto second = submit_with(0);
  auto high = submit_with(1);
  for (auto& wanted : {high, first, second, low})
    BOOST_CHECK_EQUAL(store->take()->id, wanted);
}

BOOST_AUTO_TEST_CASE(a_failed_attempt_waits_for_its_backoff_which_doubles) {
  break_output(io_kind::no_space);
  auto id = submitted(job_of("", {named("a")}));
  BOOST_CHECK(work_once());
  BOOST_CHECK_EQUAL(state(id), "queued");
  BOOST_CHECK(store->next_due() == clock.now + 1s);
  BOOST_CHECK(!work_once());
  clock.advance(1s);
  BOOST_CHECK(work_once());
  BOOST_CHECK(store->next_due() == clock.now + 2s);
  disk->clear_faults();
  clock.advance(2s);
  work_all();
  BOOST_CHECK_EQUAL(state(id), "done");
  BOOST_CHECK_EQUAL(status(id).attempts, 3u);
  BOOST_CHECK_EQUAL(status(id).error, "");
}

BOOST_AUTO_TEST_CASE(a_poison_job_fails_after_its_attempts_and_blocks_no_other) {
  disk->inject({io_op::create, "/out/bad", io_kind::no_permission});
  auto bad = submitted(job_of("", {named("a", "bad")}));
  disk->inject({io_op::make_directory, "/out/bad", io_kind::no_permission});
  auto good = submitted(job_of("", {named("a")}));
  work_all();
  BOOST_CHECK_EQUAL(state(good), "done");
  for (int i = 0; i < 10; ++i) {
    clock.advance(61s);
    work_all();
  }
  auto failed = status(bad);
  BOOST_CHECK_EQUAL(state(bad), "failed");
  BOOST_CHECK_EQUAL(failed.attempts, options.attempts);
  BOOST_CHECK_NE(failed.error.find("/out/bad"), std::string::npos);
  BOOST_CHECK(failed.images[0].state == image_state::failed);
  BOOST_CHECK(!store->next_due());
}

BOOST_AUTO_TEST_CASE(a_permanent_failure_is_not_tried_again) {
  auto id = submitted(job_of("", {named("a")}));
  BOOST_REQUIRE(store->take());
  BOOST_REQUIRE(store->finish_attempt(id, "a bad template", true));
  BOOST_CHECK_EQUAL(state(id), "failed");
  BOOST_CHECK_EQUAL(status(id).error, "a bad template");
}

BOOST_AUTO_TEST_CASE(a_failed_job_keeps_its_pixels_and_names_for_a_retry) {
  break_output(io_kind::no_space);
  auto id = submitted(job_of("", {named("a")}));
  for (int i = 0; i < 10; ++i, clock.advance(61s))
    work_all();
  BOOST_REQUIRE_EQUAL(state(id), "failed");
  BOOST_CHECK_GT(store->counters().spool_bytes, 600u);
  disk->clear_faults();
  BOOST_CHECK_EQUAL(status(submitted(job_of("", {named("a")}))).images[0].name.filename, "a_2.png");
  BOOST_REQUIRE(store->retry(id));
  BOOST_CHECK_EQUAL(state(id), "queued");
  work_all();
  BOOST_CHECK_EQUAL(state(id), "done");
  BOOST_CHECK(disk->contents("/out/a.png") == encoded(pixels_of(0)));
  BOOST_CHECK_EQUAL(store->counters().spool_bytes, 0u);
}

BOOST_AUTO_TEST_CASE(retry_leaves_other_states_as_they_are) {
  auto id = submitted(job_of("", {named("a")}));
  BOOST_CHECK(store->retry(id)->job.state == job_state::queued);
  work_all();
  BOOST_CHECK(store->retry(id)->job.state == job_state::done);
  auto gone = submitted(job_of("", {named("a")}));
  BOOST_REQUIRE(store->cancel(gone));
  BOOST_CHECK(store->retry(gone).error().code == ec::bad_request);
  BOOST_CHECK(store->retry("j-0-0").error().code == ec::unknown_job);
}

BOOST_AUTO_TEST_CASE(only_what_is_missing_is_written_by_the_next_attempt) {
  disk->inject({io_op::link, "/out/b.png", io_kind::no_space, 0, 1});
  auto id = submitted(job_of("", {named("a"), named("b")}));
  work_all();
  BOOST_CHECK(status(id).images[0].state == image_state::done);
  BOOST_CHECK(disk->contents("/out/a.png"));
  clock.advance(1s);
  auto work = store->take();
  BOOST_REQUIRE(work);
  BOOST_REQUIRE_EQUAL(work->images.size(), 1u);
  BOOST_CHECK_EQUAL(work->images[0].index, 1u);
}

BOOST_AUTO_TEST_CASE(a_queued_job_is_cancelled_at_once_and_frees_names_and_spool) {
  auto id = submitted(job_of("", {named("a")}));
  BOOST_CHECK(store->cancel(id)->job.state == job_state::cancelled);
  BOOST_REQUIRE(store->commit());
  BOOST_CHECK(status(id).images[0].state == image_state::cancelled);
  BOOST_CHECK_EQUAL(store->counters().spool_bytes, 0u);
  BOOST_CHECK(!store->take());
  auto next = submitted(job_of("", {named("a")}));
  BOOST_CHECK_EQUAL(status(next).images[0].name.filename, "a.png");
}

BOOST_AUTO_TEST_CASE(a_running_job_is_cancelled_for_what_is_not_yet_written) {
  auto id = submitted(job_of("", {named("a"), named("b")}));
  auto work = store->take();
  save(*work, work->images[0]);
  BOOST_CHECK(store->cancel(id)->job.state == job_state::running);
  save(*work, work->images[1]);
  BOOST_CHECK(store->finish_attempt(id, {}, false)->state == job_state::cancelled);
  BOOST_REQUIRE(store->commit());
  BOOST_CHECK(disk->contents("/out/a.png"));
  BOOST_CHECK_EQUAL(disk->files(output_folder).size(), 1u);
  BOOST_CHECK(status(id).images[0].state == image_state::done);
  BOOST_CHECK(status(id).images[1].state == image_state::cancelled);
}

BOOST_AUTO_TEST_CASE(cancel_after_the_end_changes_nothing) {
  auto id = submitted(job_of("", {named("a")}));
  work_all();
  BOOST_CHECK(store->cancel(id)->job.state == job_state::done);
  BOOST_CHECK(store->cancel("j-0-0").error().code == ec::unknown_job);
}

BOOST_AUTO_TEST_CASE(calls_for_a_job_that_does_not_run_are_refused) {
  auto id = submitted(job_of("", {named("a")}));
  BOOST_CHECK(!store->publishing(id, 0, {}));
  BOOST_CHECK(!store->image_done(id, 0, image_state::done, {}));
  BOOST_CHECK(!store->finish_attempt(id, {}, false));
}

BOOST_AUTO_TEST_CASE(jobs_that_overwrite_the_same_file_run_in_their_order) {
  auto wanted = named("a", {}, collision_rule::overwrite);
  auto first = submitted(job_of("", {wanted}, 1));
  submitted(job_of("", {wanted}, 2));
  auto other = submitted(job_of("", {named("b")}));
  BOOST_CHECK_EQUAL(store->take()->id, first);
  BOOST_CHECK_EQUAL(store->take()->id, other);
  BOOST_CHECK(!store->take());
  BOOST_REQUIRE(store->finish_attempt(first, "disk full", false));
  clock.advance(1s);
  work_all();
  BOOST_CHECK(disk->contents("/out/a.png") == encoded(pixels_of(2)));
}

BOOST_AUTO_TEST_CASE(the_list_is_newest_first_and_can_be_of_one_state) {
  auto done = submitted(job_of("", {named("a")}));
  work_all();
  auto second = submitted(job_of("", {named("b")}));
  auto third = submitted(job_of("", {named("c")}));
  auto ids = [&](std::optional<job_state> state, size_t limit) {
    std::vector<std::string> found;
    auto jobs = store->list(state, limit);
    for (auto& x : *jobs)
      found.push_back(x.id);
    return found;
  };
  BOOST_CHECK((ids(std::nullopt, 10) == std::vector{third, second, done}));
  BOOST_CHECK((ids(std::nullopt, 1) == std::vector{third}));
  BOOST_CHECK((ids(job_state::done, 10) == std::vector{done}));
  BOOST_CHECK((ids(job_state::queued, 1) == std::vector{third}));
}

BOOST_AUTO_TEST_CASE(damaged_pixels_fail_the_job_for_good) {
  auto id = submitted(job_of("", {named("a")}));
  BOOST_REQUIRE(store->take());
  BOOST_CHECK(store->pixels_damaged(id, "the pixels are damaged")->state == job_state::failed);
  BOOST_CHECK(store->retry(id).error().code == ec::bad_request);
  BOOST_CHECK_EQUAL(store->counters().spool_bytes, 0u);
}

BOOST_AUTO_TEST_CASE(an_image_without_its_promise_is_discarded_by_a_gate_and_counts_as_written) {
  auto id = submitted(job_of("", {named("a")}));
  BOOST_REQUIRE(store->take());
  BOOST_REQUIRE(store->image_done(id, 0, image_state::discarded, "{\"score\":0.1}"));
  BOOST_CHECK(store->finish_attempt(id, {}, false)->state == job_state::done);
  BOOST_CHECK_EQUAL(status(id).images[0].detail, "{\"score\":0.1}");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
