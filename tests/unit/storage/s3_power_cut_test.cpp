#include <boost/test/unit_test.hpp>

#include <map>
#include <string>
#include <vector>

#include "bucket_fixture.hpp"
#include "simulated_node.hpp"

// The promise of the save queue for a job whose pictures go to a bucket: the power goes at every
// operation on the disk and at every request, with the request's effect and without it. Then
// nothing that was acknowledged is lost, and every object was written once and whole.

namespace luna::storage::testing {

namespace {

using namespace std::chrono_literals;

/// Which step of the story the power ends.
struct cut {
  enum class where : uint8_t { disk, request, answer } at = where::disk;
  uint64_t number = 0; ///< from 1
  survival keeps = survival::synced;
};

struct scenario : bucket_fixture {
  simulated_node node;
  std::vector<new_job> jobs;
  std::map<std::string, job_status> acknowledged; ///< by key
  uint64_t requests_before = 0;

  scenario() {
    node.options.lanes = {{output_folder, output_folder, false},
                          {"bucket", "s3://renders/luna", true}};
    node.options.workers = 4;
    node.targets.remote["bucket"] = make_target();
    // Two small images and one that goes in parts; one that replaces; one in a folder beside them.
    jobs.push_back(to_bucket("new", {named("a"), named("b", "x")}, 1, 300));
    jobs.push_back(to_bucket("large", {named("c")}, 5, 1700));
    jobs.push_back(to_bucket("replace", {named("old", {}, collision_rule::overwrite)}, 7, 300));
    jobs.push_back(job_of("folder", {named("f")}, 9));
    bucket->objects()["luna/old.png"].bytes = "old";
    BOOST_REQUIRE_EQUAL(node.boot(), "");
  }

  static new_job to_bucket(std::string key, std::vector<name_request> names, uint32_t first,
                           int64_t size) {
    auto job = job_of(std::move(key), std::move(names), first, size);
    job.target = "bucket";
    for (auto& image : job.images)
      job.names_there[image.name.subfolder];
    return job;
  }

  void submit_all() {
    for (auto& job : jobs)
      if (!acknowledged.contains(job.key))
        if (auto answer = node.submit(job))
          acknowledged[job.key] = answer->job;
  }

  void run() {
    submit_all();
    node.work_all();
    submit_all();
    node.work_all();
  }

  /// Everything that comes after is lost, too: the machine is off.
  void cut_power_at(cut x) {
    if (x.at == cut::where::disk)
      node.disk->cut_power_at(node.disk->operations() + x.number);
    bucket->decide = [this, x](uint64_t, const s3::http_request&) {
      auto number = bucket->requests() - requests_before;
      if (node.disk->power_is_cut())
        return fate::lost;
      if (x.at == cut::where::disk || number < x.number)
        return fate::answered;
      if (number == x.number)
        node.disk->cut_power_at(node.disk->operations() + 1);
      return number == x.number && x.at == cut::where::answer ? fate::answer_lost : fate::lost;
    };
  }

  void finish() {
    bucket->decide = nullptr;
    for (int round = 0; round < 10; ++round) {
      submit_all();
      node.work_all();
      node.clock.advance(61s);
    }
  }

  void check_end() {
    std::map<std::string, std::string> wanted;
    for (auto& job : jobs) {
      BOOST_REQUIRE_MESSAGE(acknowledged.contains(job.key), job.key << " is never acknowledged");
      auto status = node.store->status(acknowledged.at(job.key).id);
      BOOST_REQUIRE_MESSAGE(status, job.key << " was acknowledged and is lost");
      BOOST_CHECK_MESSAGE(status->state == job_state::done,
                          job.key << " is " << to_string(status->state) << ": " << status->error);
      for (auto& image : status->images)
        wanted[path_of(image.name)] = encoded(job.images[image.index].pixels);
    }
    for (auto& [path, text] : wanted) {
      if (!path.starts_with("s3://renders/")) {
        BOOST_CHECK(node.disk->contents(path) == text);
        continue;
      }
      auto object = bucket->objects().find(path.substr(13));
      BOOST_REQUIRE_MESSAGE(object != bucket->objects().end(), path << " is missing");
      BOOST_CHECK_MESSAGE(object->second.bytes == text, path << " has the wrong bytes");
      BOOST_CHECK_MESSAGE(object->second.writes == 1,
                          path << " was written " << object->second.writes << " times");
    }
    BOOST_CHECK_EQUAL(bucket->objects().size(), 4u);
    // One that was begun just before the power went, and is not known to be ours any more.
    BOOST_CHECK_LE(bucket->open_uploads(), 1u);
  }
};

struct lengths {
  uint64_t operations = 0;
  uint64_t requests = 0;
};

lengths of_a_run() {
  scenario x;
  auto before = x.node.disk->operations();
  x.run();
  x.check_end();
  return {x.node.disk->operations() - before, x.bucket->requests()};
}

void cut_once(cut where, uint64_t seed = 0) {
  scenario x;
  x.cut_power_at(where);
  x.run();
  BOOST_TEST_CONTEXT("the power goes at " << int(where.at) << " number " << where.number
                                          << ", survival " << int(where.keeps)) {
    BOOST_REQUIRE(where.at != cut::where::disk || x.node.disk->power_is_cut());
    BOOST_REQUIRE_EQUAL(x.node.power_cycle(where.keeps, seed), "");
    for (auto& [key, status] : x.acknowledged)
      BOOST_REQUIRE_MESSAGE(x.node.store->status(status.id),
                            key << " was acknowledged and is lost");
    x.finish();
    x.check_end();
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(s3_power_cut_test)

BOOST_AUTO_TEST_CASE(at_every_operation_on_the_disk) {
  auto run = of_a_run();
  BOOST_TEST_MESSAGE(run.operations << " operations, " << run.requests << " requests");
  for (uint64_t at = 1; at <= run.operations; ++at) {
    cut_once({cut::where::disk, at, survival::synced});
    cut_once({cut::where::disk, at, survival::everything});
    cut_once({cut::where::disk, at, survival::random}, at);
  }
}

BOOST_AUTO_TEST_CASE(at_every_request_before_and_after_its_effect) {
  auto run = of_a_run();
  BOOST_REQUIRE_GT(run.requests, 8u);
  for (uint64_t at = 1; at <= run.requests; ++at)
    for (auto where : {cut::where::request, cut::where::answer})
      for (auto keeps : {survival::synced, survival::everything})
        cut_once({where, at, keeps});
}

BOOST_AUTO_TEST_CASE(a_store_that_is_away_from_any_request_on_loses_nothing_and_repeats_nothing) {
  auto run = of_a_run();
  for (uint64_t at = 1; at <= run.requests; ++at) {
    scenario x;
    x.bucket->decide = [&](uint64_t n, const s3::http_request&) {
      return n < at ? fate::answered : n == at ? fate::answer_lost : fate::lost;
    };
    x.run();
    for (int i = 0; i < 20; ++i) { // an outage of twenty minutes
      x.node.clock.advance(60s);
      x.node.work_all();
    }
    auto folder = x.node.store->status(x.acknowledged.at("folder").id);
    BOOST_REQUIRE(folder);
    BOOST_CHECK(folder->state == job_state::done);
    x.finish();
    x.check_end();
    for (auto& [key, status] : x.acknowledged)
      BOOST_CHECK_EQUAL(x.node.store->status(status.id)->attempts, 1u);
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
