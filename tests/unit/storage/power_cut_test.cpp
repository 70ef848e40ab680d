#include <boost/test/unit_test.hpp>

#include <map>
#include <set>

#include "simulated_node.hpp"

// The promise of the save queue, tried at every boundary between two operations on the disk: the
// power goes there, the machine starts again, and nothing that was acknowledged may be lost, come
// twice, or be seen in parts.

namespace luna::storage::testing {

namespace {

using namespace std::chrono_literals;

struct client_job {
  new_job job;
  std::optional<job_status> acknowledged;
};

/// What the clients of one run want, and what they were told.
struct scenario {
  simulated_node node;
  std::vector<client_job> clients;

  /// The text that must stand under each name in the end, by path; for names given on the way.
  std::map<std::string, std::string> expected;

  explicit scenario(bool unnamed_files = true) {
    node.disk->set_unnamed_files(unnamed_files);
    clients.push_back({job_of("first", {named("a"), named("a"), named("deep", "x/y")}, 1), {}});
    auto second = job_of("second", {named("n"), named("n", "x")}, 10);
    for (auto& image : second.images)
      image.name.counter = counter_rule{};
    clients.push_back({std::move(second), {}});
    clients.push_back({job_of("third", {named("old", {}, collision_rule::overwrite)}, 20), {}});
    node.disk->put("/out/a.png", "somebody else's");
    node.disk->put("/out/old.png", "old");
    BOOST_REQUIRE_EQUAL(node.boot(), "");
  }

  /// A client that was not answered asks again with the same key.
  void submit_all() {
    for (auto& client : clients) {
      if (client.acknowledged)
        continue;
      auto answer = node.submit(client.job);
      if (answer)
        acknowledge(client, answer->job);
    }
  }

  void acknowledge(client_job& client, const job_status& status) {
    client.acknowledged = status;
    for (auto& image : status.images)
      expected[path_of(image.name)] = encoded(client.job.images[image.index].pixels);
  }

  /// The whole story, in which the power may go at any moment.
  void run() {
    submit_all();
    node.work_all();
    static_cast<void>(node.store->maintain());
    submit_all();
    node.work_all();
  }

  /// Files that are visible to people, with their inodes.
  std::map<std::string, uint64_t> visible() const {
    std::map<std::string, uint64_t> found;
    for (auto& path : node.disk->files(output_folder))
      if (path.find("/.luna-") == path.npos && !path.ends_with(".luna"))
        found[path] = inode_of(path);
    return found;
  }

  uint64_t inode_of(const std::string& path) const {
    auto slash = path.rfind('/');
    auto folder = node.disk->open_directory(path.substr(0, slash));
    return (*folder)->info(path.substr(slash + 1))->inode;
  }

  /// Right after the power came back: every visible file is whole.
  void check_no_half_file() {
    for (auto& [path, inode] : visible()) {
      auto text = node.disk->contents(path).value();
      auto known = text == "old" || text == "somebody else's";
      for (auto& client : clients)
        for (auto& image : client.job.images)
          known = known || text == encoded(image.pixels);
      BOOST_CHECK_MESSAGE(known, path << " is visible with half a picture");
    }
  }

  /// Everyone who was acknowledged still has the same job under the same names.
  void check_nothing_lost() {
    for (auto& client : clients) {
      if (!client.acknowledged)
        continue;
      auto status = node.store->status(client.acknowledged->id);
      BOOST_REQUIRE_MESSAGE(status, client.job.key << " was acknowledged and is lost");
      for (size_t i = 0; i < status->images.size(); ++i)
        BOOST_CHECK(status->images[i].name == client.acknowledged->images[i].name);
    }
  }

  /// In the end: all done, and exactly the promised files.
  void check_end(const std::map<std::string, uint64_t>& seen_after_cut) {
    for (auto& client : clients) {
      BOOST_REQUIRE_MESSAGE(client.acknowledged, client.job.key << " is never acknowledged");
      auto status = node.store->status(client.acknowledged->id);
      BOOST_REQUIRE(status);
      BOOST_CHECK_MESSAGE(status->state == job_state::done, client.job.key
                                                              << " is " << to_string(status->state)
                                                              << ": " << status->error);
      BOOST_CHECK_MESSAGE(status->attempts == 1, client.job.key << " needed a second attempt");
    }
    auto wanted = expected;
    wanted["/out/a.png"] = "somebody else's";
    for (auto& [path, text] : wanted)
      BOOST_CHECK_MESSAGE(node.disk->contents(path) == text, path << " has the wrong contents");
    for (auto& path : node.disk->files(output_folder))
      BOOST_CHECK_MESSAGE(wanted.contains(path), path << " should not be there");
    for (auto& [path, inode] : seen_after_cut)
      if (path != "/out/old.png")
        BOOST_CHECK_MESSAGE(inode_of(path) == inode, path << " was written a second time");
  }

  /// Lets the node finish after a cut.
  void finish() {
    for (int round = 0; round < 10; ++round) {
      submit_all();
      node.work_all();
      node.clock.advance(61s);
    }
    BOOST_CHECK(node.store->maintain());
  }
};

uint64_t operations_of_a_run(bool unnamed_files = true) {
  scenario x{unnamed_files};
  auto before = x.node.disk->operations();
  x.run();
  x.check_end({});
  return x.node.disk->operations() - before;
}

void cut_once(uint64_t at, survival mode, uint64_t seed, bool unnamed_files = true) {
  scenario x{unnamed_files};
  x.node.disk->cut_power_at(x.node.disk->operations() + at);
  x.run();
  BOOST_REQUIRE(x.node.disk->power_is_cut());
  BOOST_TEST_CONTEXT("power cut at operation " << at << ", " << x.node.disk->journal().back()
                                               << ", survival " << int(mode) << ", seed " << seed) {
    BOOST_REQUIRE_EQUAL(x.node.power_cycle(mode, seed), "");
    x.check_no_half_file();
    x.check_nothing_lost();
    auto seen = x.visible();
    x.finish();
    x.check_end(seen);
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(power_cut_test)

BOOST_AUTO_TEST_CASE(at_every_operation_keeping_only_what_was_synced) {
  auto count = operations_of_a_run();
  BOOST_TEST_MESSAGE("operations in a run: " << count);
  for (uint64_t at = 1; at <= count; ++at)
    cut_once(at, survival::synced, 0);
}

BOOST_AUTO_TEST_CASE(at_every_operation_keeping_all_that_was_written) {
  auto count = operations_of_a_run();
  for (uint64_t at = 1; at <= count; ++at)
    cut_once(at, survival::everything, 0);
}

BOOST_AUTO_TEST_CASE(at_every_operation_keeping_any_part_of_what_was_not_synced) {
  auto count = operations_of_a_run();
  for (uint64_t at = 1; at <= count; ++at)
    for (uint64_t seed = 1; seed <= 5; ++seed)
      cut_once(at, survival::random, seed);
}

BOOST_AUTO_TEST_CASE(at_every_operation_where_each_file_has_a_name) {
  auto count = operations_of_a_run(false);
  for (uint64_t at = 1; at <= count; ++at) {
    cut_once(at, survival::synced, 0, false);
    cut_once(at, survival::everything, 0, false);
    cut_once(at, survival::random, at, false);
  }
}

BOOST_AUTO_TEST_CASE(again_while_it_recovers_from_the_first) {
  auto count = operations_of_a_run();
  for (uint64_t at = 5; at <= count; at += 7)
    for (uint64_t second = 1; second <= 60; second += 5) {
      scenario x;
      x.node.disk->cut_power_at(x.node.disk->operations() + at);
      x.run();
      BOOST_TEST_CONTEXT("cuts at operation " << at << " and " << second << " after it") {
        x.node.store.reset();
        x.node.disk->restart(survival::random, at * 100 + second);
        auto seen = x.visible();
        x.node.disk->cut_power_at(x.node.disk->operations() + second);
        if (x.node.boot().empty())
          x.run();
        BOOST_REQUIRE_EQUAL(x.node.power_cycle(survival::random, second), "");
        x.check_no_half_file();
        x.check_nothing_lost();
        x.finish();
        x.check_end(seen);
      }
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
