#include <algorithm>
#include <limits>

#include "save_fixture.hpp"

// What a client of the save queue sees: answers, waiting, files, and bounds.

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;
using storage::io_kind;

namespace {

struct fixture : save_fixture {
  fixture() { BOOST_REQUIRE_EQUAL(start(), ""); }

  /// A job that failed for good: the folder "bad" takes no files.
  std::string failed_job() {
    disk->inject({io_op::create, "/out/bad"});
    auto job = submitted(saving("bad/x"));
    let_all_attempts_pass();
    BOOST_REQUIRE_EQUAL(state(job), "failed");
    return job;
  }

  /// A job that has failed once and waits for its next attempt.
  std::string waiting_job(const std::string& name = "bad/w", int64_t count = 1) {
    disk->inject({io_op::create, "/out/bad"});
    auto job = submitted(saving(name, "", count));
    BOOST_REQUIRE_EQUAL(state(job), "queued");
    return job;
  }

  failure refusal(const result<std::string>& answer) {
    BOOST_REQUIRE(!answer);
    return answer.error();
  }
};

std::vector<std::string> ids(const json& list) {
  std::vector<std::string> found;
  for (auto& job : list["jobs"])
    found.push_back(job["job_id"]);
  return found;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(save_queue_test, fixture)

BOOST_AUTO_TEST_CASE(a_submit_answers_with_the_names_and_the_files_come) {
  auto answer = said(submit_atom_v, saving("a/cat", "", 2));
  BOOST_CHECK_EQUAL(answer["success"], true);
  BOOST_CHECK_EQUAL(answer["images"], 2);
  BOOST_REQUIRE_EQUAL(answer["files"].size(), 2u);
  BOOST_CHECK_EQUAL(answer["files"][1]["index"], 1);
  BOOST_CHECK_EQUAL(answer["files"][1]["subfolder"], "a");
  BOOST_CHECK_EQUAL(answer["files"][1]["filename"], "cat_1.png");
  auto job = status(answer["job_id"]);
  BOOST_CHECK_EQUAL(job["state"], "done");
  BOOST_CHECK_EQUAL(job["progress"], 1.0);
  BOOST_CHECK_EQUAL(job["images"][1]["path"], "/out/a/cat_1.png");
  BOOST_TEST(files() == (std::vector<std::string>{"/out/a/cat_0.png", "/out/a/cat_1.png"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_output_folder_that_cannot_be_made_is_named) {
  stop();
  disk->inject({io_op::make_directory, "/pictures", io_kind::no_permission});
  options.output_folders = {"/pictures"};
  auto why_not = start();
  BOOST_CHECK_MESSAGE(why_not.find("/pictures") != std::string::npos, why_not);
}

BOOST_AUTO_TEST_CASE(a_queue_without_a_readable_log_does_not_start) {
  stop();
  disk->inject({io_op::list, "/data/log"});
  BOOST_CHECK_NE(start(), "");
}

// -- keys
// ------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(the_same_key_is_the_same_job_also_after_a_restart) {
  auto job = submitted(saving("a", "k1"));
  BOOST_CHECK_EQUAL(submitted(saving("a", "k1")), job);
  power_cycle();
  BOOST_CHECK_EQUAL(submitted(saving("a", "k1")), job);
  BOOST_CHECK_EQUAL(files().size(), 1u);
}

BOOST_AUTO_TEST_CASE(two_submits_of_a_key_at_once_are_one_job) {
  auto first = later(queue, submit_atom_v, saving("a", "k1"));
  auto second = later(queue, submit_atom_v, saving("a", "k1"));
  run();
  BOOST_REQUIRE_EQUAL(why(first->value()), "");
  BOOST_REQUIRE_EQUAL(why(second->value()), "");
  BOOST_CHECK_EQUAL(json::parse(first->value().value())["job_id"],
                    json::parse(second->value().value())["job_id"]);
  BOOST_CHECK_EQUAL(files().size(), 1u);
}

BOOST_AUTO_TEST_CASE(a_key_of_another_task_is_refused) {
  submitted(saving("a", "k1"));
  BOOST_CHECK(refusal(now(submit_atom_v, saving("b", "k1"))).code == ec::bad_request);
}

// -- status, wait
// ------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(an_unknown_job_is_unknown_to_every_question) {
  std::string none = "j-none";
  BOOST_CHECK(refusal(now(status_atom_v, none)).code == ec::unknown_job);
  BOOST_CHECK(refusal(now(wait_atom_v, none, uint32_t{1000})).code == ec::unknown_job);
  BOOST_CHECK(refusal(now(cancel_atom_v, none)).code == ec::unknown_job);
  BOOST_CHECK(refusal(now(retry_atom_v, none)).code == ec::unknown_job);
  BOOST_CHECK(front().waiters.empty());
}

BOOST_AUTO_TEST_CASE(wait_answers_at_once_when_the_job_is_at_an_end) {
  auto job = submitted(saving("a"));
  BOOST_CHECK_EQUAL(said(wait_atom_v, job, uint32_t{60000})["state"], "done");
  auto failed = failed_job();
  BOOST_CHECK_EQUAL(said(wait_atom_v, failed, uint32_t{60000})["state"], "failed");
  BOOST_CHECK(front().waiters.empty());
}

BOOST_AUTO_TEST_CASE(all_who_wait_hear_the_end_of_their_job) {
  auto job = waiting_job();
  auto other = waiting_job("bad/other");
  auto first = later(queue, wait_atom_v, job, uint32_t{60000});
  auto second = later(queue, wait_atom_v, job, uint32_t{60000});
  auto third = later(queue, wait_atom_v, other, uint32_t{60000});
  run();
  BOOST_CHECK(!first->has_value());
  BOOST_CHECK_EQUAL(said(cancel_atom_v, other)["state"], "cancelled");
  BOOST_REQUIRE(third->has_value());
  BOOST_CHECK_EQUAL(json::parse(third->value().value())["state"], "cancelled");
  BOOST_CHECK(!first->has_value());
  disk->clear_faults();
  let_pass(1s);
  for (auto& x : {first, second}) {
    BOOST_REQUIRE(x->has_value());
    BOOST_CHECK_EQUAL(json::parse(x->value().value())["state"], "done");
  }
  BOOST_CHECK(front().waiters.empty());
}

BOOST_AUTO_TEST_CASE(a_wait_that_is_over_answers_with_the_state_as_it_is) {
  auto job = waiting_job();
  auto answer = later(queue, wait_atom_v, job, uint32_t{500});
  run();
  pass(499ms);
  BOOST_CHECK(!answer->has_value());
  pass(1ms);
  BOOST_REQUIRE(answer->has_value());
  BOOST_CHECK_EQUAL(json::parse(answer->value().value())["state"], "queued");
  BOOST_CHECK(front().waiters.empty());
}

BOOST_AUTO_TEST_CASE(who_waits_hears_that_the_queue_has_ended) {
  auto job = waiting_job();
  auto answer = later(queue, wait_atom_v, job, uint32_t{60000});
  run();
  self->send_exit(front().store, caf::exit_reason::kill);
  run();
  BOOST_REQUIRE(answer->has_value());
  BOOST_CHECK(refusal(answer->value()).code == ec::unavailable);
}

// -- list, cancel, retry
// -------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(the_list_has_the_newest_first_and_knows_states) {
  std::vector<std::string> jobs;
  for (auto* name : {"a", "b", "c"}) {
    jobs.push_back(submitted(saving(name)));
    wall.advance(1s);
  }
  auto waiting = waiting_job();
  auto all = std::vector<std::string>{waiting, jobs[2], jobs[1], jobs[0]};
  auto any = [this](const std::string& state, uint32_t limit) {
    return ids(said(list_atom_v, state, limit));
  };
  BOOST_TEST(any("", 100) == all, boost::test_tools::per_element());
  BOOST_TEST(any("queued", 100) == std::vector{waiting}, boost::test_tools::per_element());
  BOOST_TEST(any("done", 2) == (std::vector{jobs[2], jobs[1]}), boost::test_tools::per_element());
  BOOST_CHECK(any("cancelled", 100).empty());
  BOOST_CHECK(refusal(now(list_atom_v, std::string{"lost"}, uint32_t{10})).code == ec::bad_request);
}

BOOST_AUTO_TEST_CASE(a_cancelled_job_writes_nothing_and_cannot_be_retried) {
  auto job = waiting_job();
  BOOST_CHECK_EQUAL(said(cancel_atom_v, job)["state"], "cancelled");
  disk->clear_faults();
  let_all_attempts_pass();
  BOOST_CHECK(files().empty());
  BOOST_CHECK(refusal(now(retry_atom_v, job)).code == ec::bad_request);
  power_cycle();
  let_all_attempts_pass();
  BOOST_CHECK_EQUAL(state(job), "cancelled");
  BOOST_CHECK(files().empty());
}

BOOST_AUTO_TEST_CASE(a_cancel_takes_effect_for_what_is_not_written_yet) {
  disk->inject({io_op::create, "/out", io_kind::broken, 4}); // markers and the first picture come
  auto job = submitted(saving("x", "", 3));
  auto cancelled = said(cancel_atom_v, job);
  BOOST_CHECK_EQUAL(cancelled["state"], "cancelled");
  BOOST_CHECK_EQUAL(cancelled["images"][0]["state"], "done");
  BOOST_CHECK_EQUAL(cancelled["images"][2]["state"], "cancelled");
  BOOST_TEST(files() == std::vector<std::string>{"/out/x_0.png"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_cancel_while_a_worker_writes_reveals_no_more_pictures) {
  auto submit = later(queue, submit_atom_v, saving("x", "", 3));
  step_until([&] { return is_there("x_0.png"); });
  auto job = json::parse(submit->value().value())["job_id"].get<std::string>();
  auto cancel = later(front().store, cancel_atom_v, job);
  run_only(clients.back());
  run_only(front().store); // hears of it before the worker goes on
  run();
  BOOST_REQUIRE(cancel->has_value());
  BOOST_CHECK_EQUAL(why(cancel->value()), "");
  BOOST_CHECK_EQUAL(state(job), "cancelled");
  BOOST_CHECK_LT(files().size(), 3u);
  for (auto& x : files())
    BOOST_CHECK_MESSAGE(x.find(".tmp") == std::string::npos, x);
}

BOOST_AUTO_TEST_CASE(cancel_and_retry_leave_a_finished_job_alone) {
  auto job = submitted(saving("a"));
  for (auto& answer : {said(cancel_atom_v, job), said(retry_atom_v, job)}) {
    BOOST_CHECK_EQUAL(answer["state"], "done");
    BOOST_CHECK_EQUAL(answer["changed"], false);
  }
}

// -- dead letters
// ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_failed_job_can_be_discarded_and_is_gone_with_its_pictures) {
  auto job = failed_job();
  auto before = status(job);
  BOOST_CHECK_EQUAL(before["pictures"], "kept");
  BOOST_CHECK(!before.contains("changed"));
  BOOST_CHECK_EQUAL(said(cancel_atom_v, job)["changed"], false);
  BOOST_CHECK_GT(said(status_atom_v)["failed_bytes"], 0);
  auto gone = said(discard_atom_v, job);
  BOOST_CHECK_EQUAL(gone["job_id"], job);
  BOOST_CHECK_EQUAL(gone["state"], "failed");
  BOOST_CHECK_EQUAL(gone["pictures"], "given_up");
  BOOST_CHECK_EQUAL(gone["changed"], true);
  for (int round = 0; round < 2; ++round) {
    BOOST_CHECK(refusal(now(status_atom_v, job)).code == ec::unknown_job);
    BOOST_CHECK(refusal(now(discard_atom_v, job)).code == ec::unknown_job);
    BOOST_CHECK_EQUAL(said(status_atom_v)["spool_bytes"], 0);
    power_cycle();
  }
}

BOOST_AUTO_TEST_CASE(a_job_that_is_not_at_an_end_cannot_be_discarded) {
  auto job = waiting_job();
  auto why_not = refusal(now(discard_atom_v, job));
  BOOST_CHECK(why_not.code == ec::bad_request);
  BOOST_CHECK_NE(why_not.message.find("cancel it"), std::string::npos);
  BOOST_CHECK_EQUAL(state(job), "queued");
}

BOOST_AUTO_TEST_CASE(a_discard_whose_commit_fails_is_no_success) {
  auto job = failed_job();
  disk->inject({io_op::sync, "/data/log"});
  BOOST_CHECK(!now(discard_atom_v, job));
  disk->clear_faults();
  let_pass(1min);
  power_cycle();
  BOOST_CHECK(refusal(now(status_atom_v, job)).code == ec::unknown_job);
}

BOOST_AUTO_TEST_CASE(failed_jobs_give_up_their_pictures_and_everyone_is_told) {
  stop();
  options.store.spool_bytes = 10000;
  BOOST_REQUIRE_EQUAL(start(), "");
  disk->inject({io_op::create, "/out/bad"});
  std::vector<std::string> jobs;
  for (int i = 0; i < 3; ++i) {
    jobs.push_back(submitted(saving("bad/x" + std::to_string(i), "", 20)));
    let_all_attempts_pass();
  }
  BOOST_CHECK_EQUAL(status(jobs[0])["pictures"], "given_up");
  BOOST_CHECK_EQUAL(status(jobs[2])["pictures"], "kept");
  auto told = std::any_of(events->begin(), events->end(), [&](auto& x) {
    auto job = json::parse(x.json);
    return job["job_id"] == jobs[0] && job.value("pictures", "") == "given_up";
  });
  BOOST_CHECK(told);
  auto counters = said(status_atom_v);
  BOOST_CHECK_EQUAL(counters["failed"], 3);
  BOOST_CHECK_EQUAL(counters["failed_limit"], 5000);
  BOOST_CHECK_LE(counters["failed_bytes"], 5000);
  BOOST_CHECK_GT(counters["given_up"], 0);
  auto why_not = refusal(now(retry_atom_v, jobs[0]));
  BOOST_CHECK(why_not.code == ec::bad_request);
  BOOST_CHECK_NE(why_not.message.find("given up"), std::string::npos);
}

// -- warnings
// ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(values_that_are_not_finite_are_told_with_the_acknowledgement_and_for_good) {
  auto x = saving("nan");
  std::vector<float> values(4 * 4 * 3, std::numeric_limits<float>::quiet_NaN());
  x.tensors = {
    {"image_0", tensor_block::copy_of(dtype::f32, {4, 4, 3}, std::as_bytes(std::span{values}))}};
  auto answer = said(submit_atom_v, std::move(x));
  auto job = answer["job_id"].get<std::string>();
  auto check = [](const json& said) {
    BOOST_REQUIRE_EQUAL(said["warnings"].size(), 1u);
    BOOST_CHECK_EQUAL(said["warnings"][0]["code"], "non_finite");
    BOOST_CHECK_EQUAL(said["warnings"][0]["count"], 48);
    BOOST_CHECK_NE(said["warnings"][0]["message"].get<std::string>().find("48 values"),
                   std::string::npos);
  };
  check(answer);
  check(status(job));
  power_cycle();
  check(status(job));
  BOOST_CHECK_EQUAL(state(job), "done");
  BOOST_CHECK(!status(submitted(saving("well"))).contains("warnings"));
}

BOOST_AUTO_TEST_CASE(texts_that_no_file_can_hold_cost_no_picture_and_are_told) {
  auto x = saving("keys");
  auto task = json::parse(x.task);
  task["metadata"] = {{"", "left out"}, {"\u043a\u043b\u044e\u0447", "written"}};
  x.task = task.dump();
  auto answer = said(submit_atom_v, std::move(x));
  BOOST_REQUIRE_EQUAL(answer["warnings"].size(), 1u);
  BOOST_CHECK_EQUAL(answer["warnings"][0]["code"], "metadata");
  auto job = status(answer["job_id"]);
  BOOST_CHECK_EQUAL(job["state"], "done");
  BOOST_CHECK_EQUAL(job["warnings"], answer["warnings"]);
  BOOST_CHECK_EQUAL(job["images"][0]["left_out"], json::array({""}));
  BOOST_CHECK_NE(disk->contents("/out/keys.png")->find("\u043a\u043b\u044e\u0447"),
                 std::string::npos);
}

// -- refused at submit
// ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(what_can_be_known_is_refused_at_submit_and_is_no_problem_of_the_node) {
  auto wide = saving("wide");
  auto task = json::parse(wide.task);
  task["images"][0]["format"] = "webp";
  wide.task = task.dump();
  std::vector<std::byte> row(16384 * 3);
  wide.tensors = {{"image_0", tensor_block::copy_of(dtype::u8, {1, 16384, 3}, row)}};
  auto why_not = refusal(now(submit_atom_v, std::move(wide)));
  BOOST_CHECK(why_not.code == ec::bad_request);
  BOOST_CHECK_NE(why_not.message.find("WebP"), std::string::npos);
  disk->put("/out/file", "text");
  BOOST_CHECK(refusal(now(submit_atom_v, saving("file/x"))).code == ec::bad_request);
  disk->inject({io_op::create, "/out/", io_kind::read_only});
  BOOST_CHECK(refusal(now(submit_atom_v, saving("x"))).code == ec::not_permitted);
  BOOST_CHECK(!said(status_atom_v).contains("problem"));
  BOOST_CHECK(said(list_atom_v, std::string{}, uint32_t{10})["jobs"].empty());
}

// -- failing jobs
// ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_job_fails_with_a_reason_after_its_attempts_and_blocks_no_other) {
  struct {
    io_op op;
    io_kind kind;
  } problems[] = {{io_op::create, io_kind::no_permission},
                  {io_op::write, io_kind::no_space},
                  {io_op::make_directory, io_kind::read_only},
                  {io_op::link, io_kind::broken},
                  {io_op::sync, io_kind::broken}};
  int count = 0;
  for (auto [op, kind] : problems) {
    auto number = std::to_string(++count);
    disk->inject({op, "/out/bad" + number, kind});
    auto bad = submitted(saving("bad" + number + "/x"));
    BOOST_CHECK_EQUAL(state(bad), "queued");
    BOOST_CHECK_EQUAL(status(bad)["attempts"], 1);
    auto good = submitted(saving("good" + number));
    BOOST_CHECK_EQUAL(state(good), "done");
    let_all_attempts_pass();
    auto end = status(bad);
    BOOST_CHECK_EQUAL(end["state"], "failed");
    BOOST_CHECK_EQUAL(end["attempts"], 5);
    auto reason = end["error"].get<std::string>();
    BOOST_CHECK_MESSAGE(reason.find("/out/bad" + number) != std::string::npos, reason);
    BOOST_CHECK_EQUAL(end["images"][0]["error"], reason);
    for (auto& x : disk->files("/out/bad" + number))
      BOOST_ERROR("was left behind: " + x);
  }
}

BOOST_AUTO_TEST_CASE(attempts_follow_each_other_with_a_growing_pause) {
  auto job = waiting_job();
  auto attempts = [&] { return status(job)["attempts"].get<int>(); };
  let_pass(999ms);
  BOOST_CHECK_EQUAL(attempts(), 1);
  let_pass(1ms);
  BOOST_CHECK_EQUAL(attempts(), 2);
  let_pass(1999ms);
  BOOST_CHECK_EQUAL(attempts(), 2);
  let_pass(1ms);
  BOOST_CHECK_EQUAL(attempts(), 3);
}

BOOST_AUTO_TEST_CASE(one_bad_picture_does_not_stop_the_others_of_its_job) {
  // The markers and the first picture come.
  disk->inject({io_op::create, "/out", io_kind::broken, 4, 1});
  auto job = submitted(saving("x", "", 3));
  auto first = status(job);
  BOOST_CHECK_EQUAL(first["state"], "queued");
  BOOST_CHECK_EQUAL(first["images"][0]["state"], "done");
  BOOST_CHECK_EQUAL(first["images"][1]["state"], "failed");
  BOOST_CHECK_EQUAL(first["images"][2]["state"], "done");
  let_pass(1s);
  BOOST_CHECK_EQUAL(state(job), "done");
  BOOST_CHECK_EQUAL(files().size(), 3u);
}

BOOST_AUTO_TEST_CASE(a_failed_job_keeps_its_pixels_for_a_retry_also_over_a_restart) {
  auto job = failed_job();
  disk->clear_faults();
  power_cycle();
  let_all_attempts_pass();
  BOOST_CHECK_EQUAL(state(job), "failed");
  BOOST_CHECK_EQUAL(said(retry_atom_v, job)["state"], "queued");
  run();
  BOOST_CHECK_EQUAL(state(job), "done");
  submitted(saving("same"));
  BOOST_CHECK(disk->contents("/out/bad/x.png") == disk->contents("/out/same.png"));
}

BOOST_AUTO_TEST_CASE(a_full_disk_refuses_jobs_and_keeps_those_that_it_has) {
  auto job = failed_job();
  disk->clear_faults();
  disk->set_capacity(1);
  std::optional<failure> full;
  for (int i = 0; i < 100 && !full; ++i)
    if (auto answer = now(submit_atom_v, saving("big", "", 300)); !answer)
      full = answer.error();
  BOOST_REQUIRE(full);
  BOOST_CHECK(full->code == ec::overloaded);
  BOOST_CHECK_GT(said(status_atom_v)["problem"].get<std::string>().size(), 0u);
  disk->set_capacity(UINT64_MAX);
  said(retry_atom_v, job);
  let_all_attempts_pass();
  BOOST_CHECK_EQUAL(state(job), "done");
  auto counters = said(status_atom_v);
  BOOST_CHECK(!counters.contains("problem"));
  BOOST_CHECK_EQUAL(counters["queued"], 0);
  BOOST_CHECK_EQUAL(counters["failed"], 0);
}

// -- bounds
// ----------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_full_spool_is_overloaded_until_something_is_written) {
  stop();
  options.store.spool_bytes = 5000;
  BOOST_REQUIRE_EQUAL(start(), "");
  disk->inject({io_op::create, "/out"});
  auto job = submitted(saving("a", "", 20)); // some 2700 bytes with their table
  auto full = refusal(now(submit_atom_v, saving("b", "", 20)));
  BOOST_CHECK(full.code == ec::overloaded);
  BOOST_CHECK_GT(full.retry_after_ms, 0u);
  BOOST_CHECK_EQUAL(said(status_atom_v)["spool_limit"], 5000);
  disk->clear_faults();
  let_all_attempts_pass();
  BOOST_CHECK_EQUAL(state(job), "done");
  BOOST_CHECK_EQUAL(said(status_atom_v)["spool_bytes"], 0);
  BOOST_CHECK_EQUAL(why(now(submit_atom_v, saving("b", "", 20))), "");
}

BOOST_AUTO_TEST_CASE(too_many_jobs_that_are_not_written_are_overloaded) {
  stop();
  options.store.max_jobs = 2;
  BOOST_REQUIRE_EQUAL(start(), "");
  disk->inject({io_op::create, "/out"});
  submitted(saving("a"));
  submitted(saving("b"));
  auto full = refusal(now(submit_atom_v, saving("c")));
  BOOST_CHECK(full.code == ec::overloaded);
  BOOST_CHECK_GT(full.retry_after_ms, 0u);
  disk->clear_faults();
  let_all_attempts_pass();
  submitted(saving("c"));
  BOOST_CHECK(is_there("c.png"));
}

// -- events, drain
// -----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(every_change_of_a_job_is_an_event) {
  auto job = submitted(saving("a"));
  BOOST_REQUIRE(!events->empty());
  std::vector<std::string> states;
  for (auto& x : *events) {
    BOOST_CHECK_EQUAL(x.topic, "job");
    auto told = json::parse(x.json);
    BOOST_CHECK_EQUAL(told["event"], "job");
    BOOST_CHECK_EQUAL(told["job_id"], job);
    if (states.empty() || states.back() != told["state"])
      states.push_back(told["state"]);
  }
  BOOST_TEST(states == (std::vector<std::string>{"queued", "running", "done"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_drained_queue_refuses_jobs_and_still_answers_questions) {
  auto job = submitted(saving("a"));
  auto drained = later<bool>(queue, drain_atom_v);
  run();
  BOOST_REQUIRE(drained->has_value());
  BOOST_CHECK(drained->value().value());
  auto late = refusal(now(submit_atom_v, saving("b")));
  BOOST_CHECK(late.code == ec::shutting_down);
  BOOST_CHECK_GT(late.retry_after_ms, 0u);
  BOOST_CHECK_EQUAL(state(job), "done");
}

BOOST_AUTO_TEST_SUITE_END()
