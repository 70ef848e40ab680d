#include <boost/test/unit_test.hpp>

#include <map>
#include <random>

#include "simulated_node.hpp"

// A long life of one store: jobs of all kinds, segments that are given back, jobs that are
// forgotten, and again and again the power goes, an fsync fails or the disk is full. A model beside
// it knows what was promised.

namespace luna::storage::testing {

namespace {

using namespace std::chrono_literals;

struct long_life {
  simulated_node node;
  std::mt19937_64 random;
  std::map<std::string, job_status> promised;  ///< acknowledged and not known to be over
  std::map<std::string, std::string> contents; ///< of each promised file
  std::map<std::string, new_job> unanswered;   ///< by key: the client asks again
  uint32_t next = 0;

  explicit long_life(uint64_t seed) : random(seed) {
    node.options.keep = 20s;
    node.options.attempts = 1000; // faults are no reason to give up here
    node.options.log.segment_bytes = 8192;
    BOOST_REQUIRE_EQUAL(node.boot(), "");
  }

  bool one_in(uint64_t n) { return random() % n == 0; }

  void submit(new_job job) {
    auto answer = node.submit(job);
    if (!answer) {
      BOOST_TEST_MESSAGE(job.key << ": " << answer.error().message);
      unanswered[job.key] = std::move(job);
      return;
    }
    unanswered.erase(job.key);
    auto [i, fresh] = promised.emplace(answer->job.id, answer->job);
    BOOST_REQUIRE_EQUAL(answer->job.images.size(), job.images.size());
    for (auto& image : answer->job.images) {
      auto path = path_of(image.name);
      auto [j, unique] = contents.emplace(path, encoded(job.images[image.index].pixels));
      BOOST_CHECK_MESSAGE(unique || !fresh, path << " was promised to two jobs");
    }
  }

  new_job some_job() {
    auto number = next++;
    std::vector<name_request> names;
    for (auto n = random() % 3 + 1; n > 0; --n)
      names.push_back(named("p", one_in(3) ? "sub" + std::to_string(random() % 3) : ""));
    auto job = job_of("key" + std::to_string(number), std::move(names), number * 10,
                      static_cast<int64_t>(random() % 3000));
    job.priority = static_cast<int8_t>(random() % 3) - 1;
    return job;
  }

  void step() {
    switch (random() % 6) {
    case 0:
    case 1:
      submit(some_job());
      break;
    case 2:
      if (!unanswered.empty())
        submit(new_job{unanswered.begin()->second});
      break;
    case 3:
    case 4:
      node.work_once();
      break;
    default:
      static_cast<void>(node.store->maintain());
      node.clock.advance(std::chrono::milliseconds{random() % 3000});
    }
  }

  void disturb() {
    node.disk->clear_faults();
    node.disk->set_capacity(UINT64_MAX);
    if (one_in(3))
      node.disk->cut_power_at(node.disk->operations() + random() % 60 + 1);
    else if (one_in(2))
      node.disk->inject({io_op::sync, one_in(2) ? "/data/log" : "/out", io_kind::broken,
                         static_cast<uint32_t>(random() % 5), static_cast<uint32_t>(random() % 3)});
    else if (one_in(2))
      node.disk->inject({io_op::write, one_in(2) ? "/data" : "/out", io_kind::no_space,
                         static_cast<uint32_t>(random() % 5), 2});
  }

  void recover() {
    for (int tries = 0;; ++tries) {
      BOOST_REQUIRE_LT(tries, 20);
      auto mode = static_cast<survival>(random() % 3);
      node.store.reset();
      node.disk->restart(mode, random());
      if (one_in(3))
        node.disk->cut_power_at(node.disk->operations() + random() % 20 + 1);
      if (node.boot().empty() && !node.disk->power_is_cut())
        break;
    }
    node.disk->cut_power_at(0);
    check();
  }

  /// Every promise is kept or still open; done jobs have their files, exactly.
  void check() {
    for (auto i = promised.begin(); i != promised.end();) {
      auto status = node.store->status(i->first);
      auto written = true;
      for (auto& image : i->second.images)
        written =
          written && node.disk->contents(path_of(image.name)) == contents[path_of(image.name)];
      if (!status) {
        BOOST_CHECK_MESSAGE(written, i->first << " is gone without its files");
        i = promised.erase(i);
        continue;
      }
      if (status->state == job_state::done)
        BOOST_CHECK_MESSAGE(written, i->first << " is done without its files");
      BOOST_CHECK_MESSAGE(status->state != job_state::failed, status->error);
      for (size_t n = 0; n < status->images.size(); ++n)
        BOOST_CHECK(status->images[n].name == i->second.images[n].name);
      ++i;
    }
    for (auto& file : node.disk->files(output_folder)) {
      if (file.find("/.luna-") != file.npos || file.ends_with(".luna"))
        continue;
      auto known = contents.find(file);
      auto whole = known != contents.end() && node.disk->contents(file) == known->second;
      // The file of a job whose acknowledgement was lost is whole as well; its client asks again.
      BOOST_CHECK_MESSAGE(whole || (known == contents.end() && !unanswered.empty()),
                          file << " should not be there, or not like this");
    }
  }

  void live(int steps) {
    for (int i = 0; i < steps; ++i) {
      if (one_in(15))
        disturb();
      if (node.disk->power_is_cut())
        recover();
      step();
    }
    node.disk->clear_faults();
    node.disk->cut_power_at(0);
    recover();
    for (int i = 0; i < 1000 && !unanswered.empty(); ++i)
      submit(new_job{unanswered.begin()->second});
    BOOST_REQUIRE(unanswered.empty());
    for (int i = 0; i < 30; ++i, node.clock.advance(61s))
      node.work_all();
    check();
    BOOST_CHECK_EQUAL(node.store->counters().queued + node.store->counters().failed, 0u);
    BOOST_CHECK(node.store->maintain());
    for (auto& [path, text] : contents)
      BOOST_CHECK_MESSAGE(node.disk->contents(path) == text, path << " is missing");
    for (auto& file : node.disk->files(output_folder))
      BOOST_CHECK_MESSAGE(contents.contains(file), file << " should not be there");
    for (int i = 0; i < 20; ++i)
      BOOST_CHECK(node.store->maintain());
    BOOST_CHECK_LE(node.store->counters().disk_bytes, 10 * node.options.log.segment_bytes);
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(long_life_test)

BOOST_AUTO_TEST_CASE(keeps_every_promise_whatever_the_disk_does) {
  for (uint64_t seed = 1; seed <= 30; ++seed)
    BOOST_TEST_CONTEXT("seed " << seed) {
      long_life{seed}.live(400);
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
