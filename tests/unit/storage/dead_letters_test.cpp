#include <boost/test/unit_test.hpp>

#include <algorithm>

#include "store_fixture.hpp"

// Failed jobs: what they may hold, and how they go.

namespace luna::storage::testing {

namespace {

using namespace std::chrono_literals;

constexpr auto never_works = "the format cannot hold it";

struct fixture : store_fixture {
  /// Room for so many jobs of `failing`.
  void start_with_room_for(uint64_t jobs) {
    start();
    submitted(failing("measure"));
    auto bytes = store->counters().spool_bytes;
    work_all();
    options.spool_bytes = jobs * bytes + 10;
    BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  }

  static new_job failing(const std::string& name) { return job_of("", {named(name)}, 1); }

  /// A job that has failed, a second after the one before.
  std::string failed(const std::string& name) {
    auto id = submitted(failing(name));
    fail(id);
    return id;
  }

  void fail(const std::string& id) {
    clock.advance(1s);
    BOOST_REQUIRE_EQUAL(store->take()->id, id);
    BOOST_REQUIRE(store->finish_attempt(id, never_works, true));
    BOOST_REQUIRE(store->commit());
  }

  pixel_state pixels(const std::string& id) { return status(id).pixels; }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(dead_letters_test, fixture)

BOOST_AUTO_TEST_CASE(the_oldest_failed_jobs_give_up_their_pictures_so_that_others_can_be_saved) {
  start_with_room_for(4);
  auto first = failed("a");
  auto second = failed("b");
  auto third = failed("c");
  BOOST_CHECK((store->take_given_up() == std::vector{first}));
  BOOST_CHECK(store->take_given_up().empty());
  auto fourth = failed("d");
  for (auto& id : {first, second, third, fourth}) {
    BOOST_CHECK(status(id).state == job_state::failed);
    BOOST_CHECK_EQUAL(status(id).error, never_works);
    BOOST_CHECK((pixels(id) == pixel_state::kept) == (id == third || id == fourth));
  }
  auto counters = store->counters();
  BOOST_CHECK_EQUAL(counters.given_up, 2u);
  BOOST_CHECK_EQUAL(counters.failed_bytes, counters.spool_bytes);
  BOOST_CHECK_LE(counters.failed_bytes, counters.failed_limit);
  BOOST_CHECK_EQUAL(counters.failed_limit, options.spool_bytes / 2);
  submitted(failing("e"));
  submitted(failing("f"));
  work_all();
  BOOST_CHECK(disk->contents("/out/f.png"));
}

BOOST_AUTO_TEST_CASE(
  a_job_that_has_given_up_its_pictures_cannot_be_retried_and_says_so_after_a_restart) {
  start_with_room_for(2);
  auto first = failed("a");
  auto second = failed("b");
  for (int round = 0; round < 2; ++round) {
    auto why = store->retry(first).error();
    BOOST_CHECK(why.code == ec::bad_request);
    BOOST_CHECK_NE(why.message.find("given up"), std::string::npos);
    BOOST_CHECK(pixels(second) == pixel_state::kept);
    BOOST_CHECK_EQUAL(store->counters().given_up, 1u);
    BOOST_CHECK_LE(store->counters().failed_bytes, store->counters().failed_limit);
    BOOST_CHECK_EQUAL(store->counters().spool_bytes, store->counters().failed_bytes);
    BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  }
  // Its name is free, that of the other one is not.
  BOOST_CHECK_EQUAL(status(submitted(job_of("", {named("a")}))).images[0].name.filename, "a.png");
  work_all();
  BOOST_CHECK_EQUAL(status(submitted(job_of("", {named("b")}))).images[0].name.filename, "b_2.png");
  work_all();
  BOOST_CHECK(store->retry(second)->changed);
  work_all();
  BOOST_CHECK(disk->contents("/out/b.png") == encoded(pixels_of(1)));
}

BOOST_AUTO_TEST_CASE(a_submit_with_the_key_of_a_job_that_has_given_up_its_pictures_is_a_new_one) {
  start_with_room_for(2);
  auto id = submitted(job_of("k", {named("a")}, 1));
  fail(id);
  failed("b");
  auto again = submit(job_of("k", {named("a")}, 1));
  BOOST_REQUIRE(again);
  BOOST_CHECK(!again->known);
  BOOST_CHECK(store->status(id).error().code == ec::unknown_job);
  work_all();
  BOOST_CHECK(disk->contents("/out/a.png") == encoded(pixels_of(1)));
}

BOOST_AUTO_TEST_CASE(a_full_spool_says_what_failed_jobs_hold_and_what_to_do) {
  start_with_room_for(4);
  failed("a");
  failed("b");
  submitted(failing("c"));
  submitted(failing("d"));
  auto full = submit(failing("e"));
  BOOST_REQUIRE(!full);
  BOOST_CHECK(full.error().code == ec::overloaded);
  BOOST_CHECK_NE(full.error().message.find("held by 2 failed jobs"), std::string::npos);
  BOOST_CHECK_NE(full.error().message.find("job_discard"), std::string::npos);
  BOOST_CHECK_EQUAL(store->counters().problem, "");
}

BOOST_AUTO_TEST_CASE(a_discarded_job_gives_its_room_its_name_and_its_key_back_for_good) {
  start_with_room_for(4);
  auto id = submitted(job_of("k", {named("a")}, 1));
  fail(id);
  auto last = store->discard(id);
  BOOST_REQUIRE(last);
  BOOST_CHECK(last->state == job_state::failed);
  BOOST_CHECK(last->pixels == pixel_state::given_up);
  BOOST_REQUIRE(store->commit());
  for (int round = 0; round < 2; ++round) {
    BOOST_CHECK(store->status(id).error().code == ec::unknown_job);
    BOOST_CHECK_EQUAL(store->counters().spool_bytes, 0u);
    BOOST_CHECK_EQUAL(store->counters().failed, 0u);
    BOOST_CHECK(store->discard(id).error().code == ec::unknown_job);
    BOOST_REQUIRE_EQUAL(power_cycle(survival::everything), "");
  }
  auto again = submit(job_of("k", {named("a")}, 7)); // another task under its key
  BOOST_REQUIRE(again);
  BOOST_CHECK_EQUAL(again->job.images[0].name.filename, "a.png");
}

BOOST_AUTO_TEST_CASE(only_a_job_at_an_end_can_be_discarded) {
  start();
  auto id = submitted(job_of("", {named("a")}));
  BOOST_CHECK(store->discard(id).error().code == ec::bad_request);
  BOOST_REQUIRE(store->take());
  BOOST_CHECK(store->discard(id).error().code == ec::bad_request);
  BOOST_REQUIRE(store->finish_attempt(id, "disk full", false));
  clock.advance(1s);
  work_all();
  BOOST_CHECK(store->discard(id)->state == job_state::done);
  BOOST_CHECK(disk->contents("/out/a.png"));
  auto cancelled = submitted(job_of("", {named("b")}));
  BOOST_REQUIRE(store->cancel(cancelled));
  BOOST_CHECK(store->discard(cancelled)->state == job_state::cancelled);
}

BOOST_AUTO_TEST_CASE(a_request_that_changes_nothing_says_so) {
  start();
  auto id = submitted(job_of("", {named("a")}));
  BOOST_CHECK(!store->retry(id)->changed);
  fail(id);
  auto cancel = store->cancel(id);
  BOOST_REQUIRE(cancel);
  BOOST_CHECK(!cancel->changed);
  BOOST_CHECK(cancel->job.state == job_state::failed);
  BOOST_CHECK(store->retry(id)->changed);
  BOOST_CHECK(store->cancel(id)->changed);
  BOOST_CHECK(!store->cancel(id)->changed);
}

BOOST_AUTO_TEST_CASE(failed_jobs_do_not_take_all_places) {
  options.max_jobs = 4;
  start();
  std::vector<std::string> ids;
  for (int i = 0; i < 12; ++i)
    ids.push_back(failed("a" + std::to_string(i)));
  BOOST_CHECK(pixels(ids[11]) == pixel_state::kept);
  BOOST_CHECK(pixels(ids[10]) == pixel_state::kept);
  BOOST_CHECK(pixels(ids[9]) == pixel_state::given_up);
  BOOST_CHECK(!store->status(ids[0]));
  BOOST_CHECK_EQUAL(store->counters().failed, 4u);
}

BOOST_AUTO_TEST_CASE(a_spool_that_was_made_smaller_bounds_the_failed_jobs_of_before) {
  start_with_room_for(8);
  auto first = failed("a");
  auto second = failed("b");
  options.spool_bytes /= 4;
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  BOOST_CHECK((store->take_given_up() == std::vector{first}));
  BOOST_CHECK(pixels(second) == pixel_state::kept);
}

BOOST_AUTO_TEST_SUITE_END()

// -- power cuts ----------------------------------------------------------------------------------

namespace {

/// Four jobs fail where two may keep their pictures; one is discarded.
struct story : fixture {
  struct client {
    new_job job;
    std::string id; ///< once it was acknowledged
    bool discarded = false;
  };
  std::vector<client> clients;

  story() {
    start_with_room_for(4);
    for (uint32_t i = 0; i < 4; ++i)
      clients.push_back({job_of("k" + std::to_string(i), {named("f" + std::to_string(i))}, i), {}});
  }

  void submit_and_fail(client& x) {
    if (x.id.empty()) {
      auto answer = submit(x.job);
      if (!answer)
        return;
      x.id = answer->job.id;
    }
    clock.advance(61s);
    while (auto work = store->take()) {
      static_cast<void>(store->finish_attempt(work->id, never_works, true));
      static_cast<void>(store->commit());
    }
  }

  void run() {
    for (auto& x : clients)
      submit_and_fail(x);
    auto& gone = clients[2];
    if (!gone.id.empty() && store->discard(gone.id))
      gone.discarded = store->commit().has_value();
    static_cast<void>(store->maintain());
  }

  /// Every client's job is there, within the bound, and is either whole or known to be gone.
  void check_letters() {
    BOOST_CHECK_LE(store->counters().failed_bytes, store->counters().failed_limit);
    for (auto& x : clients) {
      if (x.id.empty())
        continue;
      auto job = store->status(x.id);
      if (x.discarded)
        BOOST_CHECK_MESSAGE(!job, x.id << " was discarded and is there again");
      else
        BOOST_CHECK_MESSAGE(job || &x == &clients[2], x.id << " was acknowledged and is lost");
    }
  }

  void finish() {
    for (auto& x : clients)
      if (!x.discarded && (x.id.empty() || store->status(x.id)))
        submit_and_fail(x);
    check_letters();
    size_t kept = 0;
    for (auto& x : clients) {
      auto job = store->status(x.id);
      if (!job)
        continue;
      BOOST_CHECK(job->state == job_state::failed);
      auto retried = store->retry(x.id);
      BOOST_CHECK_EQUAL(retried.has_value(), job->pixels == pixel_state::kept);
      if (!retried)
        continue;
      ++kept;
      work_all();
      BOOST_CHECK(status(x.id).state == job_state::done);
      BOOST_CHECK(disk->contents("/out/" + job->images[0].name.filename)
                  == encoded(x.job.images[0].pixels));
    }
    BOOST_CHECK(kept == 1 || kept == 2);
    BOOST_CHECK_EQUAL(store->counters().spool_bytes, 0u);
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(dead_letters_test)

BOOST_AUTO_TEST_CASE(the_bound_holds_whatever_operation_the_power_goes_at) {
  story whole;
  auto before = whole.disk->operations();
  whole.run();
  auto count = whole.disk->operations() - before;
  whole.finish();
  for (uint64_t at = 1; at <= count; ++at)
    for (auto mode : {survival::synced, survival::everything, survival::random}) {
      story x;
      x.disk->cut_power_at(x.disk->operations() + at);
      x.run();
      BOOST_REQUIRE(x.disk->power_is_cut());
      BOOST_TEST_CONTEXT("power cut at operation " << at << ", " << x.disk->journal().back()
                                                   << ", survival " << int(mode)) {
        BOOST_REQUIRE_EQUAL(x.power_cycle(mode, at), "");
        x.check_letters();
        x.finish();
      }
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
