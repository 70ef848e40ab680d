#include <algorithm>
#include <set>

#include "save_fixture.hpp"

// What is behind the save queue: commits, workers, crashes, draining.

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

namespace {

struct fixture : save_fixture {
  fixture() { BOOST_REQUIRE_EQUAL(start(), ""); }

  uint64_t commits() { return store().store->counters().commits; }

  /// Submits so many jobs at once.
  std::vector<later_answer<std::string>> submit_many(int count) {
    std::vector<later_answer<std::string>> answers;
    for (int i = 0; i < count; ++i)
      answers.push_back(later(queue, submit_atom_v, saving("job" + std::to_string(i))));
    return answers;
  }

  /// Submits jobs and stops when as many attempts run.
  void make_busy(size_t attempts) {
    submit_many(static_cast<int>(attempts));
    step_until([&] { return workers(true).size() == attempts; });
  }
};

template <class T>
size_t answered(const std::vector<later_answer<T>>& answers) {
  return std::count_if(answers.begin(), answers.end(), [](auto& x) { return x->has_value(); });
}

std::string id_of(const later_answer<std::string>& answer) {
  BOOST_REQUIRE(answer->has_value());
  BOOST_REQUIRE_EQUAL(why(answer->value()), "");
  return json::parse(answer->value().value())["job_id"];
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(save_store_test, fixture)

// -- commits
// -----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(nothing_is_said_of_a_job_before_its_commit) {
  auto before = commits();
  auto answer = later(queue, submit_atom_v, saving("a"));
  step_until([&] { return !store().answers.empty(); });
  while (commits() == before) {
    BOOST_CHECK(!answer->has_value());
    BOOST_CHECK(events->empty());
    BOOST_REQUIRE(scheduler.try_run_once());
  }
  run();
  BOOST_CHECK(!events->empty());
  id_of(answer);
}

BOOST_AUTO_TEST_CASE(submits_that_come_together_share_one_commit) {
  auto before = commits();
  auto answers = submit_many(5);
  step_until([&] { return store().answers.size() == answers.size(); });
  step_until([&] { return store().answers.empty(); });
  BOOST_CHECK_EQUAL(commits(), before + 1);
  run();
  BOOST_CHECK_EQUAL(answered(answers), answers.size());
}

BOOST_AUTO_TEST_CASE(what_was_acknowledged_or_told_is_there_after_a_power_cut) {
  size_t acknowledged = 0;
  size_t refused = 0;
  stop();
  // The power goes during every operation there is from the submit to the end of the job.
  for (uint64_t at = 1;; ++at) {
    disk = std::make_shared<storage::testing::faulty_file_system>();
    options.files = disk;
    events->clear();
    BOOST_REQUIRE_EQUAL(start(), "");
    disk->cut_power_at(disk->operations() + at);
    auto answer = later(queue, submit_atom_v, saving("cat", "key", 2));
    run();
    let_pass(10s);
    auto survived_all = !disk->power_is_cut();
    auto was_told = !events->empty();
    auto is_acknowledged = answer->has_value() && answer->value().has_value();
    auto mode = at % 2 == 0 ? survival::synced : survival::random;
    power_cycle(mode);
    let_all_attempts_pass();
    auto place = "power cut during operation " + std::to_string(at);
    if (is_acknowledged) {
      BOOST_CHECK_EQUAL(state(id_of(answer)), "done");
      BOOST_CHECK_MESSAGE(is_there("cat_0.png") && is_there("cat_1.png"), place);
      ++acknowledged;
    } else {
      BOOST_CHECK_MESSAGE(!was_told, place << ": an event of a job that was refused");
      BOOST_CHECK_MESSAGE(answer->has_value(), place << ": no answer");
      ++refused;
    }
    // Once, with or without an acknowledgement.
    submitted(saving("cat", "key", 2));
    let_all_attempts_pass();
    BOOST_CHECK_MESSAGE(files().size() == 2, place << ": " << files().size() << " files");
    stop();
    if (survived_all)
      break;
  }
  BOOST_CHECK_GT(refused, 3u);
  BOOST_CHECK_GT(acknowledged, 10u);
}

BOOST_AUTO_TEST_CASE(a_commit_that_fails_refuses_the_submits_that_wait_for_it) {
  auto job = submitted(saving("a", "first"));
  disk->inject({io_op::sync, "/data/log"});
  auto known = later(queue, submit_atom_v, saving("a", "first"));
  auto fresh = later(queue, submit_atom_v, saving("b", "second"));
  run();
  BOOST_CHECK_EQUAL(id_of(known), job); // that one is durable
  BOOST_REQUIRE(fresh->has_value());
  BOOST_CHECK(!fresh->value().has_value());
  BOOST_CHECK_EQUAL(said(list_atom_v, std::string{}, uint32_t{10})["jobs"].size(), 1u);
  disk->clear_faults();
  BOOST_CHECK_NE(submitted(saving("b", "second")), job);
  BOOST_CHECK(is_there("b.png"));
}

BOOST_AUTO_TEST_CASE(a_change_is_told_after_the_commit_that_makes_it_durable) {
  disk->inject({io_op::create, "/out"});
  auto job = submitted(saving("a"));
  auto before = events->size();
  disk->inject({io_op::sync, "/data/log"});
  auto waiting = later(queue, wait_atom_v, job, uint32_t{3600000});
  auto answer = now(cancel_atom_v, job);
  BOOST_CHECK(!answer);
  BOOST_CHECK_EQUAL(events->size(), before);
  BOOST_CHECK(!waiting->has_value());
  disk->clear_faults();
  let_pass(1min);
  BOOST_REQUIRE_GT(events->size(), before);
  BOOST_CHECK_EQUAL(json::parse(events->back().json)["state"], "cancelled");
  BOOST_CHECK(waiting->has_value());
  power_cycle();
  BOOST_CHECK_EQUAL(state(job), "cancelled");
}

// -- workers
// -------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(there_are_two_workers_at_rest_and_four_under_load) {
  BOOST_CHECK_EQUAL(store().workers.size(), 2u);
  auto answers = submit_many(12);
  size_t most = 0;
  while (scheduler.try_run_once()) {
    auto there = store().workers.size();
    BOOST_REQUIRE(there >= 2 && there <= 4);
    most = std::max(most, workers(true).size());
  }
  BOOST_CHECK_EQUAL(most, 4u);
  BOOST_CHECK_EQUAL(files().size(), 12u);
  BOOST_CHECK_EQUAL(said(status_atom_v)["workers"], 4);
}

BOOST_AUTO_TEST_CASE(no_worker_is_started_without_a_job_for_it) {
  make_busy(2);
  run();
  BOOST_CHECK_EQUAL(store().workers.size(), 2u);
}

BOOST_AUTO_TEST_CASE(workers_above_the_minimum_end_when_they_were_idle_for_five_minutes) {
  make_busy(4);
  std::vector<caf::actor_addr> all;
  for (auto& [address, x] : store().workers)
    all.push_back(address);
  run();
  let_pass(299s);
  BOOST_CHECK_EQUAL(store().workers.size(), 4u);
  BOOST_CHECK_EQUAL(std::count_if(all.begin(), all.end(), has_ended), 0);
  let_pass(61s);
  BOOST_CHECK_EQUAL(store().workers.size(), 2u);
  BOOST_CHECK_EQUAL(std::count_if(all.begin(), all.end(), has_ended), 2);
  submitted(saving("later"));
  BOOST_CHECK(is_there("later.png"));
}

BOOST_AUTO_TEST_CASE(a_worker_that_is_sent_away_gets_no_job_any_more) {
  make_busy(4);
  run();
  let_pass(299s);
  wall.advance(61s);
  scheduler.advance_time(61s);
  auto submit = later(queue, submit_atom_v, saving("next"));
  run_only(clients.back());
  run_only(queue);
  run_only(front().intake);
  run_only(front().store); // the upkeep first, then the job, before any worker has gone
  run();
  auto job = status(id_of(submit));
  BOOST_CHECK_EQUAL(job["state"], "done");
  BOOST_CHECK_EQUAL(job["attempts"], 1);
}

BOOST_AUTO_TEST_CASE(nobody_is_woken_for_jobs_that_wait_for_a_worker) {
  submit_many(8);
  step_until([&] { return workers(true).size() == 4; });
  BOOST_CHECK(!store().due);
}

BOOST_AUTO_TEST_CASE(a_worker_that_crashes_fails_its_attempt_and_the_next_one_writes_the_picture) {
  auto submit = later(queue, submit_atom_v, saving("a"));
  step_until([&] { return workers(true).size() == 1; });
  auto worker = workers(true).front();
  run_only(worker); // the file is written and has no name, the record is asked for
  BOOST_TEST_REQUIRE(files() == std::vector<std::string>{"/out/a.luna"},
                     boost::test_tools::per_element());
  self->send_exit(worker, caf::exit_reason::kill);
  run_only(worker);
  worker = nullptr;
  run();
  auto job = status(id_of(submit));
  BOOST_CHECK_EQUAL(job["state"], "queued");
  BOOST_CHECK_EQUAL(job["attempts"], 1);
  auto error = job["error"].get<std::string>();
  BOOST_CHECK_MESSAGE(error.find("worker ended") != std::string::npos, error);
  submitted(saving("other")); // nobody else is held up
  BOOST_CHECK(is_there("other.png"));
  let_pass(1s);
  BOOST_CHECK_EQUAL(state(id_of(submit)), "done");
  BOOST_TEST(files() == (std::vector<std::string>{"/out/a.png", "/out/other.png"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_job_whose_worker_crashes_each_time_is_given_up) {
  auto submit = later(queue, submit_atom_v, saving("poison"));
  for (int attempt = 0; attempt < 5; ++attempt) {
    step_until([&] { return workers(true).size() == 1; });
    self->send_exit(workers(true).front(), caf::exit_reason::kill);
    run();
    wall.advance(1min);
    scheduler.advance_time(1min);
  }
  run();
  auto job = status(id_of(submit));
  BOOST_CHECK_EQUAL(job["state"], "failed");
  BOOST_CHECK_EQUAL(job["attempts"], 5);
  BOOST_CHECK_EQUAL(said(retry_atom_v, id_of(submit))["state"], "queued");
  run();
  BOOST_CHECK_EQUAL(state(id_of(submit)), "done");
}

BOOST_AUTO_TEST_CASE(the_workers_end_with_their_store_and_the_queue_too) {
  make_busy(3);
  std::set<caf::actor_addr> gone{front().store.address(), front().intake.address()};
  for (auto& [address, x] : store().workers)
    gone.insert(address);
  self->send_exit(front().store, caf::exit_reason::kill);
  run();
  gone.insert(queue.address());
  queue = nullptr;
  clients.clear();
  for (auto& x : gone)
    BOOST_CHECK(has_ended(x));
}

BOOST_AUTO_TEST_CASE(who_waits_for_the_disk_hears_that_the_store_has_ended) {
  auto submit = later(queue, submit_atom_v, saving("a"));
  step_until([&] { return !store().answers.empty(); });
  kill_at_once(front().store);
  run();
  BOOST_REQUIRE(submit->has_value());
  BOOST_REQUIRE(!submit->value().has_value());
  BOOST_CHECK(submit->value().error().code == ec::unavailable);
}

BOOST_AUTO_TEST_CASE(who_waits_for_the_drain_hears_that_the_store_has_ended) {
  make_busy(1);
  auto drained = later<bool>(queue, drain_atom_v);
  step_until([&] { return !store().drained.empty(); });
  kill_at_once(front().store);
  run();
  BOOST_REQUIRE(drained->has_value());
  BOOST_CHECK(!drained->value().has_value());
}

// -- drain, restart
// --------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_drain_waits_for_the_attempts_that_run_and_leaves_the_rest_on_disk) {
  auto submits = submit_many(8);
  step_until([&] { return workers(true).size() == 4; });
  auto drained = later<bool>(queue, drain_atom_v);
  step_until([&] { return store().draining; });
  BOOST_CHECK(!drained->has_value());
  step_until([&] { return drained->has_value(); });
  BOOST_CHECK(drained->value().value());
  BOOST_CHECK(workers(true).empty());
  run();
  auto pictures = [this] {
    auto found = files();
    return std::count_if(found.begin(), found.end(), [](auto& x) { return x.ends_with(".png"); });
  };
  BOOST_CHECK_EQUAL(pictures(), 4);
  let_all_attempts_pass();
  BOOST_CHECK_EQUAL(pictures(), 4);
  BOOST_CHECK_EQUAL(files().size(), 8u); // the others are promised
  power_cycle();
  run();
  BOOST_CHECK_EQUAL(files().size(), 8u);
  for (auto& x : submits)
    BOOST_CHECK_EQUAL(state(id_of(x)), "done");
}

BOOST_AUTO_TEST_CASE(jobs_that_are_older_than_they_are_kept_are_forgotten_by_the_upkeep) {
  auto job = submitted(saving("a"));
  wall.advance(169h);
  pass(1min);
  auto answer = now(status_atom_v, job);
  BOOST_REQUIRE(!answer);
  BOOST_CHECK(answer.error().code == ec::unknown_job);
  BOOST_CHECK(is_there("a.png"));
}

BOOST_AUTO_TEST_SUITE_END()
