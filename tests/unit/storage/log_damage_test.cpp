#include <boost/test/unit_test.hpp>

#include "simulated_node.hpp"

// A small log in which every byte is tried: cut off there, or flipped. Whatever happens is
// reported or harmless; nothing else is lost, and nothing is saved twice but a picture of which the
// log has lost that it is there: it stays, and the second one says that its name was taken.

namespace luna::storage::testing {

namespace {

/// Three jobs: one written, two that wait.
struct small_log {
  simulated_node node;
  std::string path;
  std::string bytes;
  std::vector<std::string> ids;
  size_t used = 0; ///< bytes of the records

  small_log() {
    node.options.log.segment_bytes = 8192;
    BOOST_REQUIRE_EQUAL(node.boot(), "");
    submit("one", 1);
    node.work_all();
    submit("two", 2);
    submit("three", 3);
    node.store.reset();
    for (auto& file : node.disk->files("/data/log"))
      path = file;
    bytes = node.disk->contents(path).value();
    used = aligned(bytes.find_last_not_of('\0') + 1);
  }

  void submit(std::string key, uint32_t which) {
    auto x = node.submit(job_of(key, {named(key)}, which, 100));
    BOOST_REQUIRE(x);
    ids.push_back(x->job.id);
  }

  /// Starts with other bytes and works.
  void run_with(const std::string& damaged) {
    node.disk->put(path, damaged);
    auto folder = node.disk->open_directory(output_folder);
    auto names = (*folder)->list();
    for (auto& name : *names)
      BOOST_REQUIRE((*folder)->remove(name));
    node.disk->put("/out/one.png", encoded(pixels_of(1, 100)));
    BOOST_REQUIRE_EQUAL(node.boot(), "");
    node.work_all();
  }

  /// Takes away what the run wrote, so that the next starts with one segment.
  void clean() {
    node.store.reset();
    auto folder = node.disk->make_directories("/data/log");
    auto names = (*folder)->list();
    for (auto& file : *names)
      if ("/data/log/" + file != path)
        BOOST_REQUIRE((*folder)->remove(file));
  }

  bool done(size_t job) {
    auto status = node.store->status(ids[job]);
    return status && status->state == job_state::done;
  }

  size_t number_done() { return size_t{done(0)} + done(1) + done(2); }

  /// Of the first picture, if the log has lost that it is written.
  std::string second_copy() {
    auto job = node.store->status(ids[0]);
    return job && job->images[0].renamed_from == "one.png" ? path_of(job->images[0].name) : "";
  }

  void check_files() {
    auto second = second_copy();
    BOOST_CHECK(second.empty() || node.disk->contents(second) == encoded(pixels_of(1, 100)));
    for (auto& file : node.disk->files(output_folder)) {
      if (file.ends_with(".luna"))
        continue; // of a job that the log has lost; it goes at the next look into the folder
      auto text = node.disk->contents(file).value();
      BOOST_CHECK_MESSAGE(file != "/out/one.png" || text == encoded(pixels_of(1, 100)), file);
      BOOST_CHECK_MESSAGE(file != "/out/two.png" || text == encoded(pixels_of(2, 100)), file);
      BOOST_CHECK_MESSAGE(file != "/out/three.png" || text == encoded(pixels_of(3, 100)), file);
      BOOST_CHECK_MESSAGE(file == "/out/one.png" || file == "/out/two.png"
                            || file == "/out/three.png" || file == second,
                          file << " should not be there");
    }
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(log_damage_test)

BOOST_AUTO_TEST_CASE(the_log_cut_off_at_any_byte_keeps_what_is_before) {
  small_log x;
  for (size_t size = 0; size <= x.used; ++size) {
    BOOST_TEST_CONTEXT("cut off after " << size << " bytes") {
      x.run_with(x.bytes.substr(0, size));
      if (size > x.used / 2)
        BOOST_CHECK(x.done(0) && x.second_copy().empty());
      if (size == x.used)
        BOOST_CHECK_EQUAL(x.number_done(), 3u);
      x.check_files();
      x.clean();
    }
  }
}

BOOST_AUTO_TEST_CASE(any_flipped_byte_is_reported_or_harmless_and_costs_one_job_at_most) {
  small_log x;
  for (size_t at = 0; at < x.used; ++at) {
    auto damaged = x.bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    BOOST_TEST_CONTEXT("byte " << at << " flipped") {
      x.run_with(damaged);
      auto reported = !x.node.report.damages.empty() || x.node.store->counters().damages > 0;
      BOOST_CHECK_GE(x.number_done(), 2u);
      BOOST_CHECK_MESSAGE(reported || x.number_done() == 3, "lost without a word");
      x.check_files();
      x.clean();
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
