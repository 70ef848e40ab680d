#include <set>

#include "save_fixture.hpp"

// Jobs that go to a remote target, and jobs that are answered before their sync.

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

namespace {

/// A target that keeps what is written, and is away when told to.
class scripted_target final : public storage::remote_target {
public:
  std::map<std::string, size_t> objects; ///< sizes by path
  std::vector<std::string> standing;     ///< what `names` answers
  int asked = 0;
  bool away = false;

  const std::string& root() const override { return root_; }

  result<std::vector<std::string>> names(const std::string&, const std::string&) override {
    ++asked;
    if (away)
      return fail(ec::unavailable, "no answer");
    return standing;
  }

  result<storage::staged_object> write(const storage::publish_request&,
                                       std::span<const std::byte> bytes) override {
    return storage::staged_object{{0, bytes.size(), {}}, nullptr};
  }

  result<storage::reveal_outcome> reveal(const storage::publish_request& request,
                                         const storage::staged_object& staged) override {
    if (away)
      return fail(ec::unavailable, "no answer");
    objects[storage::testing::path_of(request.name)] = staged.identity.size;
    return storage::reveal_outcome::revealed;
  }

  void discard(const storage::publish_request&, const storage::staged_object&) override {}

  result<bool> is_published(const storage::publish_request& request,
                            const storage::file_identity&) override {
    if (away)
      return fail(ec::unavailable, "no answer");
    return objects.contains(storage::testing::path_of(request.name));
  }

  bool is_outage(const failure& why) const override { return why.code == ec::unavailable; }

private:
  std::string root_ = "s3://b";
};

struct fixture : save_fixture {
  std::shared_ptr<scripted_target> bucket = std::make_shared<scripted_target>();

  fixture() {
    options.targets["bucket"] = bucket;
    BOOST_REQUIRE_EQUAL(start(), "");
  }

  static save_submission far(const std::string& name, int64_t count = 1) {
    return saving(name, {}, count, {{"target", "bucket"}});
  }

  json lane(const std::string& target) {
    auto told = said(status_atom_v);
    for (auto& x : told["targets"])
      if (x["target"] == target)
        return x;
    return {};
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(save_remote_test, fixture)

BOOST_AUTO_TEST_CASE(a_job_goes_to_its_target_under_a_name_that_is_free_there) {
  bucket->standing = {"a.png"};
  auto id = submitted(far("a"));
  auto job = status(id);
  BOOST_CHECK_EQUAL(job["state"], "done");
  BOOST_CHECK_EQUAL(job["target"], "bucket");
  BOOST_CHECK_EQUAL(job["images"][0]["path"], "s3://b/a_2.png");
  BOOST_CHECK(bucket->objects.contains("s3://b/a_2.png"));
  BOOST_CHECK(files().empty());
}

BOOST_AUTO_TEST_CASE(a_target_that_does_not_say_its_names_keeps_nobody_waiting) {
  bucket->away = true;
  auto id = submitted(far("a"));
  auto job = status(id);
  BOOST_CHECK_EQUAL(job["images"][0]["filename"], "a_" + id + ".png");
  BOOST_CHECK_EQUAL(job["state"], "queued");
  BOOST_CHECK_EQUAL(job["error"], "no answer");
  submitted(far("b"));
  BOOST_CHECK_EQUAL(bucket->asked, 1); // it is known to be away
  BOOST_CHECK_EQUAL(state(submitted(saving("near"))), "done");
}

BOOST_AUTO_TEST_CASE(jobs_of_a_target_that_is_away_wait_for_hours_and_then_are_written) {
  bucket->away = true;
  std::vector<std::string> ids;
  for (auto* name : {"a", "b", "c", "d", "e"})
    ids.push_back(submitted(far(name, 2)));
  for (int i = 0; i < 120; ++i)
    let_pass(1min);
  auto told = lane("bucket");
  BOOST_CHECK_EQUAL(told["state"], "away");
  BOOST_CHECK_EQUAL(told["error"], "no answer");
  BOOST_CHECK_EQUAL(told["queued"], 5);
  BOOST_CHECK(told.contains("retry_ms"));
  BOOST_CHECK_EQUAL(lane("folder")["state"], "up");
  BOOST_CHECK_EQUAL(lane("folder")["folder"], "/out");
  for (auto& id : ids)
    BOOST_CHECK_EQUAL(status(id)["attempts"], 0);
  bucket->away = false;
  let_pass(1min);
  let_pass(1min);
  for (auto& id : ids)
    BOOST_CHECK_EQUAL(state(id), "done");
  BOOST_CHECK_EQUAL(bucket->objects.size(), 10u);
  BOOST_CHECK_EQUAL(lane("bucket")["state"], "up");
}

BOOST_AUTO_TEST_CASE(a_target_that_goes_away_in_the_middle_of_a_job_leaves_the_rest_for_later) {
  auto answer = later(queue, submit_atom_v, far("a", 3));
  step_until([&] { return bucket->objects.size() == 1; });
  bucket->away = true;
  run();
  BOOST_REQUIRE(answer->has_value());
  std::string id = json::parse(answer->value().value())["job_id"];
  auto job = status(id);
  BOOST_CHECK_EQUAL(job["state"], "queued");
  BOOST_CHECK_GT(job["progress"].get<double>(), 0.3);
  BOOST_CHECK_EQUAL(job["images"][2]["state"], "waiting");
  bucket->away = false;
  let_pass(5s);
  BOOST_CHECK_EQUAL(state(id), "done");
  BOOST_CHECK_EQUAL(bucket->objects.size(), 3u);
}

BOOST_AUTO_TEST_CASE(a_job_whose_target_left_the_configuration_waits_and_says_so) {
  bucket->away = true;
  auto id = submitted(far("a"));
  options.targets.clear();
  power_cycle();
  let_pass(1min);
  BOOST_CHECK_EQUAL(state(id), "queued");
  auto error = status(id)["error"].get<std::string>();
  BOOST_CHECK_NE(error.find("no target \"bucket\" any more"), std::string::npos);
  auto refused = now(submit_atom_v, far("b"));
  BOOST_REQUIRE(!refused);
  BOOST_CHECK(refused.error().code == ec::bad_request);
  bucket->away = false;
  options.targets["bucket"] = bucket;
  power_cycle();
  let_pass(2min);
  BOOST_CHECK_EQUAL(state(id), "done");
}

BOOST_AUTO_TEST_CASE(a_lister_that_dies_costs_one_answer) {
  submitted(far("a"));
  kill_at_once(store().listers.at("bucket"));
  run();
  BOOST_CHECK(store().listers.empty());
  BOOST_CHECK_EQUAL(state(submitted(far("b"))), "done");
}

// -- fast ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_fast_job_is_answered_before_the_commit_and_says_what_that_costs) {
  auto commits = store().store->counters().commits;
  auto answer = later(queue, submit_atom_v, saving("a", {}, 1, {{"durability", "fast"}}));
  step_until([&] { return answer->has_value(); });
  BOOST_CHECK_EQUAL(store().store->counters().commits, commits);
  auto told = json::parse(answer->value().value());
  BOOST_CHECK_EQUAL(told["durable"], false);
  BOOST_CHECK(told.contains("note"));
  BOOST_CHECK_EQUAL(told["files"][0]["filename"], "a.png");
  run();
  BOOST_CHECK(files().empty()); // nobody has committed yet
  let_pass(1s);
  BOOST_CHECK_EQUAL(state(told["job_id"]), "done");
  BOOST_CHECK_EQUAL(said(submit_atom_v, saving("b"))["durable"], true);
}

BOOST_AUTO_TEST_CASE(a_full_job_takes_fast_ones_along_in_its_commit) {
  auto quick = submitted(saving("a", {}, 1, {{"durability", "fast"}}));
  submitted(saving("b"));
  BOOST_CHECK_EQUAL(state(quick), "done");
}

BOOST_AUTO_TEST_CASE(a_drain_makes_fast_jobs_durable_before_it_ends) {
  auto quick = submitted(saving("a", {}, 1, {{"durability", "fast"}}));
  auto drained = later<bool>(queue, drain_atom_v);
  run();
  BOOST_REQUIRE(drained->has_value());
  power_cycle();
  let_pass(1s);
  BOOST_CHECK_EQUAL(state(quick), "done");
}

BOOST_AUTO_TEST_CASE(a_power_cut_takes_a_fast_job_that_was_not_committed) {
  auto quick = submitted(saving("a", {}, 1, {{"durability", "fast"}}));
  power_cycle();
  auto gone = now(status_atom_v, quick);
  BOOST_REQUIRE(!gone);
  BOOST_CHECK(gone.error().code == ec::unknown_job);
}

BOOST_AUTO_TEST_SUITE_END()
