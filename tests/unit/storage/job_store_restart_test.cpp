#include <boost/test/unit_test.hpp>

#include <algorithm>

#include "store_fixture.hpp"

// What a restart finds.

namespace luna::storage::testing {

namespace {

using namespace std::chrono_literals;

struct fixture : store_fixture {
  fixture() { start(); }

  void restart() { BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), ""); }

  /// The one segment that holds something.
  std::string segment() const {
    for (auto& path : disk->files("/data/log"))
      if (path.ends_with(".log"))
        return path;
    return {};
  }

  void flip(size_t at) {
    auto path = segment();
    auto text = disk->contents(path).value();
    text[at] ^= 0x10;
    disk->put(path, text);
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(job_store_restart_test, fixture)

BOOST_AUTO_TEST_CASE(a_queued_job_goes_on_under_the_same_names) {
  auto job = job_of("", {named("a"), named("a")});
  job.priority = 1;
  auto id = submitted(std::move(job));
  auto before = status(id);
  restart();
  BOOST_CHECK_EQUAL(report.queued, 1u);
  auto after = status(id);
  BOOST_CHECK(after.images[1].name == before.images[1].name);
  BOOST_CHECK(after.created == before.created);
  BOOST_CHECK_EQUAL(store->counters().spool_bytes > 1200, true);
  auto other = submitted(job_of("", {named("a")}));
  BOOST_CHECK_EQUAL(status(other).images[0].name.filename, "a_3.png");
  BOOST_CHECK_EQUAL(store->take()->id, id);
}

BOOST_AUTO_TEST_CASE(a_key_is_known_across_restarts_in_every_state) {
  auto queued = submitted(job_of("q", {named("a")}));
  restart();
  auto again = submit(job_of("q", {named("a")}));
  BOOST_REQUIRE(again);
  BOOST_CHECK(again->known);
  BOOST_CHECK_EQUAL(again->job.id, queued);
  work_all();
  restart();
  again = submit(job_of("q", {named("a")}));
  BOOST_REQUIRE(again);
  BOOST_CHECK(again->known);
  BOOST_CHECK(again->job.state == job_state::done);
  BOOST_CHECK(submit(job_of("q", {named("b")}, 5)).error().code == ec::bad_request);
}

BOOST_AUTO_TEST_CASE(ids_are_never_given_twice) {
  auto first = submitted(job_of("", {named("a")}));
  restart();
  auto second = submitted(job_of("", {named("a")}));
  clock.advance(-1h);
  restart();
  auto third = submitted(job_of("", {named("a")}));
  BOOST_CHECK_LT(first, second);
  BOOST_CHECK_LT(second, third);
}

BOOST_AUTO_TEST_CASE(attempts_backoff_and_error_are_remembered) {
  disk->inject({io_op::create, "/out/", io_kind::no_space});
  auto id = submitted(job_of("", {named("a")}));
  work_all();
  disk->clear_faults();
  restart();
  BOOST_CHECK_EQUAL(status(id).attempts, 1u);
  BOOST_CHECK_NE(status(id).error.find("no_space"), std::string::npos);
  BOOST_CHECK(!store->take());
  BOOST_CHECK(store->next_due() == clock.now + 1s);
}

BOOST_AUTO_TEST_CASE(a_failed_job_stays_failed_and_can_be_retried) {
  auto id = submitted(job_of("", {named("a")}));
  BOOST_REQUIRE(store->take());
  BOOST_REQUIRE(store->finish_attempt(id, "bad", true));
  BOOST_REQUIRE(store->commit());
  restart();
  BOOST_CHECK(status(id).state == job_state::failed);
  BOOST_CHECK_EQUAL(status(id).error, "bad");
  BOOST_REQUIRE(store->retry(id));
  work_all();
  BOOST_CHECK(status(id).state == job_state::done);
}

BOOST_AUTO_TEST_CASE(a_cancelled_job_stays_cancelled) {
  auto id = submitted(job_of("", {named("a")}));
  BOOST_REQUIRE(store->cancel(id));
  BOOST_REQUIRE(store->commit());
  restart();
  BOOST_CHECK(status(id).state == job_state::cancelled);
  BOOST_CHECK(!store->take());
}

BOOST_AUTO_TEST_CASE(a_cancelled_job_that_was_about_to_publish_only_looks_whether_it_had) {
  auto id = submitted(job_of("", {named("a"), named("b"), named("c")}));
  auto work = store->take();
  auto first = request_of(id, 0, work->images[0].name);
  auto second = request_of(id, 1, work->images[1].name);
  auto text = encoded(*work->read_pixels(work->images[0]));
  auto bytes = std::as_bytes(std::span{text});
  auto written = targets.folder->write(first, bytes);
  BOOST_REQUIRE(store->publishing(id, 0, written->identity));
  auto waiting = targets.folder->write(second, bytes);
  BOOST_REQUIRE(store->publishing(id, 1, waiting->identity));
  BOOST_REQUIRE(store->commit());
  BOOST_REQUIRE(targets.folder->reveal(first, *written));
  BOOST_REQUIRE(store->cancel(id));
  BOOST_REQUIRE(store->commit());
  restart();
  BOOST_CHECK(status(id).state == job_state::queued);
  work_all();
  auto end = status(id);
  BOOST_CHECK(end.state == job_state::cancelled);
  BOOST_CHECK(end.images[0].state == image_state::done);
  BOOST_CHECK(end.images[1].state == image_state::cancelled);
  BOOST_CHECK((disk->files(output_folder) == std::vector<std::string>{"/out/a.png"}));
}

BOOST_AUTO_TEST_CASE(a_job_that_takes_the_process_with_it_is_given_up) {
  auto id = submitted(job_of("", {named("a")}));
  auto limit = options.attempts * 3;
  for (uint32_t i = 0; i < limit; ++i) {
    BOOST_REQUIRE(store->take());
    BOOST_REQUIRE_EQUAL(power_cycle(survival::everything), "");
  }
  BOOST_CHECK(!store->take());
  BOOST_CHECK(status(id).state == job_state::failed);
  BOOST_CHECK_NE(status(id).error.find("the node stopped"), std::string::npos);
  BOOST_REQUIRE(store->retry(id));
  work_all();
  BOOST_CHECK(status(id).state == job_state::done);
}

BOOST_AUTO_TEST_CASE(progress_forgives_interruptions) {
  auto id = submitted(job_of("", {named("a"), named("b")}));
  for (uint32_t i = 0; i < options.attempts * 3 - 1; ++i) {
    BOOST_REQUIRE(store->take());
    BOOST_REQUIRE_EQUAL(power_cycle(survival::everything), "");
  }
  auto work = store->take();
  save(*work, work->images[0]);
  BOOST_REQUIRE_EQUAL(power_cycle(survival::everything), "");
  BOOST_REQUIRE(store->take());
  BOOST_REQUIRE_EQUAL(power_cycle(survival::everything), "");
  BOOST_CHECK(status(id).state == job_state::queued);
}

BOOST_AUTO_TEST_CASE(lists_and_keys_are_as_before_after_a_restart) {
  auto done = submitted(job_of("k", {named("a")}));
  work_all();
  auto queued = submitted(job_of("q", {named("b")}));
  restart();
  auto ids = [&](std::optional<job_state> state, size_t limit = 10) {
    std::vector<std::string> found;
    auto jobs = store->list(state, limit);
    BOOST_REQUIRE(jobs);
    for (auto& job : *jobs)
      found.push_back(job.id);
    return found;
  };
  using list = std::vector<std::string>;
  BOOST_TEST((ids(std::nullopt) == list{queued, done}));
  BOOST_TEST((ids(std::nullopt, 1) == list{queued}));
  BOOST_TEST((ids(job_state::done) == list{done}));
  BOOST_TEST((ids(job_state::queued) == list{queued}));
  BOOST_TEST(ids(job_state::failed).empty());
  BOOST_CHECK(submit(job_of("k", {named("a")}))->known);
  BOOST_CHECK(submit(job_of("q", {named("b")}))->known);
}

BOOST_AUTO_TEST_CASE(a_damaged_picture_costs_its_job_alone_and_is_reported_with_its_place) {
  auto hit = submitted(job_of("", {named("a")}, 1));
  auto well = submitted(job_of("", {named("b")}, 2));
  flip(700); // in the pixels of the first
  restart();
  // The second record proves that the first was whole: so its pixels are not read before their use.
  BOOST_CHECK(report.damages.empty());
  BOOST_CHECK(status(hit).state == job_state::queued);
  work_all();
  BOOST_CHECK(status(hit).state == job_state::failed);
  BOOST_CHECK(status(hit).pixels == pixel_state::damaged);
  BOOST_CHECK_NE(status(hit).error.find("/data/log/"), std::string::npos);
  BOOST_CHECK_NE(status(hit).error.find("damaged"), std::string::npos);
  BOOST_CHECK(store->retry(hit).error().code == ec::bad_request);
  BOOST_CHECK(status(well).state == job_state::done);
  BOOST_CHECK_EQUAL(store->counters().damages, 1u);
  restart();
  BOOST_CHECK(status(hit).pixels == pixel_state::damaged);
  BOOST_CHECK_EQUAL(store->counters().spool_bytes, 0u);
}

BOOST_AUTO_TEST_CASE(the_pixels_of_a_full_segment_are_not_read_at_the_start) {
  std::vector<std::string> ids;
  while (disk->files("/data/log").size() < 2 || ids.size() < 6)
    ids.push_back(submitted(job_of("", {named("a")}, 1, 5000)));
  // The last record of the first segment: what follows it there are its own pixels.
  auto path = segment();
  auto text = disk->contents(path).value();
  auto last = text.find_last_not_of('\0');
  text[last] ^= 0x10;
  disk->put(path, text);
  restart();
  BOOST_CHECK(report.damages.empty());
  BOOST_CHECK_EQUAL(report.queued, ids.size());
  work_all();
  size_t failed = 0;
  for (auto& id : ids)
    failed += status(id).state == job_state::failed ? 1 : 0;
  BOOST_CHECK_EQUAL(failed, 1u);
}

BOOST_AUTO_TEST_CASE(a_torn_last_record_is_recognised_before_anyone_is_told_that_it_is_there) {
  submitted(job_of("", {named("a")}, 1, 3000));
  BOOST_REQUIRE(store->accept(job_of("k", {named("b")}, 2, 3000)));
  auto text = disk->contents(segment()).value();
  auto last = text.find_last_not_of('\0');
  std::fill(text.begin() + static_cast<ptrdiff_t>(last) - 700, text.end(), '\0');
  auto path = segment();
  store.reset();
  disk->put(path, text);
  restart();
  BOOST_REQUIRE_EQUAL(report.damages.size(), 1u);
  BOOST_CHECK_NE(report.damages[0].message.find("/data/log/"), std::string::npos);
  auto again = submit(job_of("k", {named("b")}, 2, 3000));
  BOOST_REQUIRE(again);
  BOOST_CHECK(!again->known);
  work_all();
  BOOST_CHECK(disk->contents("/out/b.png") == encoded(pixels_of(2, 3000)));
}

BOOST_AUTO_TEST_CASE(what_a_killed_process_had_only_written_is_durable_once_it_is_found_again) {
  submitted(job_of("", {named("a")}, 1));
  BOOST_REQUIRE(store->accept(job_of("k", {named("b")}, 2)));
  BOOST_REQUIRE_EQUAL(boot(), ""); // the process ended, the machine did not
  auto again = submit(job_of("k", {named("b")}, 2));
  BOOST_REQUIRE(again);
  BOOST_CHECK(again->known);
  restart(); // the power went
  BOOST_CHECK(store->status(again->job.id));
  work_all();
  BOOST_CHECK(disk->contents("/out/b.png") == encoded(pixels_of(2)));
}

BOOST_AUTO_TEST_CASE(a_client_that_submits_again_heals_a_damaged_job) {
  auto hit = submitted(job_of("k", {named("a")}, 1));
  flip(700);
  restart();
  auto again = submit(job_of("k", {named("a")}, 1));
  BOOST_REQUIRE(again);
  BOOST_CHECK(!again->known);
  BOOST_CHECK_NE(again->job.id, hit);
  BOOST_CHECK_EQUAL(again->job.images[0].name.filename, "a.png");
  work_all();
  BOOST_CHECK(disk->contents("/out/a.png") == encoded(pixels_of(1)));
  restart();
  BOOST_CHECK(!store->status(hit));
}

BOOST_AUTO_TEST_CASE(a_job_whose_accepted_record_is_lost_is_failed_if_anything_else_is_known) {
  auto id = submitted(job_of("", {named("a")}, 1));
  BOOST_REQUIRE(store->take());
  BOOST_REQUIRE(store->finish_attempt(id, "disk full", false));
  BOOST_REQUIRE(store->commit());
  flip(8); // the header of the accepted record
  restart();
  BOOST_CHECK(status(id).state == job_state::failed);
  BOOST_CHECK(store->retry(id).error().code == ec::bad_request);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
