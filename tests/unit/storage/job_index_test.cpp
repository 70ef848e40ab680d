#include <boost/test/unit_test.hpp>

#include "storage/job_index.hpp"
#include "storage/testing/faulty_file_system.hpp"

namespace luna::storage::testing {

namespace {

time_point at(int64_t ms) {
  return time_point{std::chrono::milliseconds{ms}};
}

struct fixture {
  faulty_file_system disk;
  std::optional<job_index> index;
  std::string rebuilt;
  bool in_memory = false;

  fixture() { open(); }

  void open() {
    index.reset();
    auto folder = disk.make_directories("/index");
    BOOST_REQUIRE(folder);
    auto opened = job_index::open(*folder);
    BOOST_REQUIRE(opened);
    index.emplace(std::move(opened->index));
    rebuilt = opened->rebuilt;
    in_memory = opened->in_memory;
  }

  void fill() {
    BOOST_REQUIRE(index->update({{"j-1", "k1", job_state::done, at(1), at(10), {1, 0, 64}},
                                 {"j-2", "", job_state::queued, at(2), at(0), {1, 64, 64}},
                                 {"j-3", "", job_state::failed, at(3), at(20), {1, 128, 64}},
                                 {"j-4", "k4", job_state::cancelled, at(4), at(30), {2, 0, 64}}},
                                {}));
  }

  std::string ids(result<std::vector<std::string>> x) {
    BOOST_REQUIRE(x);
    std::string text;
    for (auto& id : *x)
      text += id + " ";
    return text;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(job_index_test, fixture)

BOOST_AUTO_TEST_CASE(lists_newest_first_and_by_state) {
  fill();
  BOOST_CHECK_EQUAL(ids(index->list(std::nullopt, 10)), "j-4 j-3 j-2 j-1 ");
  BOOST_CHECK_EQUAL(ids(index->list(std::nullopt, 2)), "j-4 j-3 ");
  BOOST_CHECK_EQUAL(ids(index->list(job_state::failed, 10)), "j-3 ");
}

BOOST_AUTO_TEST_CASE(finds_a_key_and_does_not_mix_up_absent_ones) {
  fill();
  BOOST_CHECK(*index->find_key("k4") == "j-4");
  BOOST_CHECK(*index->find_key("nope") == std::nullopt);
}

BOOST_AUTO_TEST_CASE(gives_the_jobs_that_ended_long_ago_oldest_first) {
  fill();
  BOOST_CHECK_EQUAL(ids(index->ended_before(at(30), 10, true)), "j-1 j-3 ");
  BOOST_CHECK_EQUAL(ids(index->ended_before(at(31), 10, false)), "j-1 j-4 ");
  BOOST_CHECK_EQUAL(ids(index->ended_before(at(31), 1, false)), "j-1 ");
}

BOOST_AUTO_TEST_CASE(replaces_and_removes_rows) {
  fill();
  BOOST_REQUIRE(
    index->update({{"j-2", "", job_state::done, at(2), at(5), {3, 0, 64}}}, {"j-1", "j-9"}));
  BOOST_CHECK_EQUAL(ids(index->list(std::nullopt, 10)), "j-4 j-3 j-2 ");
  auto places = index->places();
  BOOST_REQUIRE(places);
  BOOST_CHECK(places->at("j-2") == (log_place{3, 0, 64}));
}

BOOST_AUTO_TEST_CASE(keeps_its_rows_over_a_restart) {
  fill();
  open();
  BOOST_CHECK_EQUAL(rebuilt, "");
  BOOST_CHECK_EQUAL(ids(index->list(std::nullopt, 10)), "j-4 j-3 j-2 j-1 ");
}

BOOST_AUTO_TEST_CASE(talks_to_the_disk_through_the_seam_only) {
  fill();
  BOOST_CHECK(disk.contents("/index/index.db"));
}

BOOST_AUTO_TEST_CASE(a_file_that_is_no_database_is_made_anew_with_the_reason) {
  index.reset();
  for (auto& path : disk.files("/index"))
    disk.put(path, "this is not a database, it is a sentence that goes on for a while...");
  open();
  BOOST_CHECK_NE(rebuilt.find("/index/index.db"), std::string::npos);
  BOOST_CHECK(!in_memory);
  fill();
  BOOST_CHECK(*index->find_key("k1") == "j-1");
}

BOOST_AUTO_TEST_CASE(any_damaged_page_is_found_or_harmless) {
  fill();
  index.reset();
  auto good = disk.contents("/index/index.db").value();
  for (size_t i = 0; i < good.size(); i += 97) {
    auto bad = good;
    bad[i] = static_cast<char>(~bad[i]);
    disk.put("/index/index.db", bad);
    open();
    static_cast<void>(index->list(std::nullopt, 10));
    static_cast<void>(index->find_key("k1"));
    static_cast<void>(index->places());
  }
}

BOOST_AUTO_TEST_CASE(a_database_of_another_make_is_made_anew) {
  BOOST_REQUIRE(index->update({}, {}));
  fill();
  index.reset();
  auto text = disk.contents("/index/index.db").value();
  text[63] = 9; // user_version, big-endian at offset 60
  disk.put("/index/index.db", text);
  open();
  BOOST_CHECK_NE(rebuilt.find("schema 9"), std::string::npos);
}

BOOST_AUTO_TEST_CASE(lives_in_memory_when_the_folder_cannot_be_written) {
  index.reset();
  for (auto op : {io_op::create, io_op::write})
    disk.inject({op, "/index/", io_kind::read_only});
  open();
  BOOST_CHECK(in_memory);
  fill();
  BOOST_CHECK_EQUAL(ids(index->list(std::nullopt, 10)), "j-4 j-3 j-2 j-1 ");
}

BOOST_AUTO_TEST_CASE(a_failed_write_is_an_error_and_changes_nothing) {
  fill();
  disk.inject({io_op::write, "/index/", io_kind::no_space});
  BOOST_CHECK(!index->update({{"j-5", "", job_state::done, at(5), at(6), {3, 0, 64}}}, {"j-1"}));
  disk.clear_faults();
  open();
  BOOST_CHECK_EQUAL(ids(index->list(std::nullopt, 10)), "j-4 j-3 j-2 j-1 ");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
