#include <boost/test/unit_test.hpp>

#include "simulated_node.hpp"
#include "storage/name_reservations.hpp"

namespace luna::storage::testing {

namespace {

struct fixture {
  std::shared_ptr<faulty_file_system> files = std::make_shared<faulty_file_system>();
  faulty_file_system& disk = *files;
  name_reservations names{files};

  fixture() { BOOST_REQUIRE(disk.make_directories(output_folder)); }

  result<std::vector<file_name>> reserve(const std::string& job, std::vector<name_request> wanted) {
    return names.reserve(job, wanted);
  }

  /// The one name that a job gets.
  std::string one(const std::string& job, name_request wanted) {
    auto got = reserve(job, {std::move(wanted)});
    return got ? got->front().filename : "(" + std::string{to_string(got.error().code)} + ")";
  }

  static name_request numbered(std::string stem, uint32_t digits = 5, std::string suffix = "_") {
    auto x = named(std::move(stem));
    x.counter = counter_rule{digits, std::move(suffix)};
    return x;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(name_reservations_test, fixture)

BOOST_AUTO_TEST_CASE(a_free_name_stays_as_it_is) {
  BOOST_CHECK_EQUAL(one("j1", named("cat")), "cat.png");
  BOOST_CHECK_EQUAL(names.size(), 1u);
}

BOOST_AUTO_TEST_CASE(rename_goes_round_files_and_promises) {
  disk.put("/out/cat.png", "x");
  disk.put("/out/cat_3.png", "x");
  BOOST_CHECK_EQUAL(one("j1", named("cat")), "cat_2.png");
  BOOST_CHECK_EQUAL(one("j2", named("cat")), "cat_4.png");
}

BOOST_AUTO_TEST_CASE(rename_finds_the_end_of_a_long_row) {
  for (int i = 2; i <= 40; ++i)
    disk.put("/out/cat_" + std::to_string(i) + ".png", "x");
  disk.put("/out/cat.png", "x");
  BOOST_CHECK_EQUAL(one("j1", named("cat")), "cat_41.png");
  BOOST_CHECK_EQUAL(one("j2", named("cat")), "cat_42.png");
}

BOOST_AUTO_TEST_CASE(images_of_one_job_do_not_get_the_same_name) {
  auto got = reserve("j1", {named("cat"), named("cat")});
  BOOST_REQUIRE(got);
  BOOST_CHECK_EQUAL(got->at(1).filename, "cat_2.png");
}

BOOST_AUTO_TEST_CASE(the_same_name_in_another_folder_is_free) {
  BOOST_CHECK_EQUAL(one("j1", named("cat")), "cat.png");
  BOOST_CHECK_EQUAL(one("j2", named("cat", "sub")), "cat.png");
}

BOOST_AUTO_TEST_CASE(fail_refuses_a_taken_name_and_promises_nothing) {
  disk.put("/out/cat.png", "x");
  auto got = reserve("j1", {named("dog"), named("cat", {}, collision_rule::fail)});
  BOOST_REQUIRE(!got);
  BOOST_CHECK(got.error().code == ec::bad_request);
  BOOST_CHECK_NE(got.error().message.find("/out/cat.png"), std::string::npos);
  BOOST_CHECK_EQUAL(names.size(), 0u);
  BOOST_CHECK_EQUAL(one("j2", named("dog", {}, collision_rule::fail)), "dog.png");
}

BOOST_AUTO_TEST_CASE(overwrite_takes_the_name_of_a_file) {
  disk.put("/out/cat.png", "x");
  auto got = reserve("j1", {named("cat", {}, collision_rule::overwrite)});
  BOOST_REQUIRE(got);
  BOOST_CHECK(got->front().overwrite);
}

BOOST_AUTO_TEST_CASE(several_jobs_may_overwrite_the_same_name_in_their_order) {
  auto wanted = named("cat", {}, collision_rule::overwrite);
  auto first = reserve("j1", {wanted});
  BOOST_REQUIRE(reserve("j2", {wanted}));
  BOOST_CHECK((names.holders(first->front()) == std::vector<std::string>{"j1", "j2"}));
  names.release("j1", first->front());
  BOOST_CHECK((names.holders(first->front()) == std::vector<std::string>{"j2"}));
}

BOOST_AUTO_TEST_CASE(overwrite_does_not_take_a_name_that_another_job_must_not_lose) {
  BOOST_CHECK_EQUAL(one("j1", named("cat")), "cat.png");
  auto got = reserve("j2", {named("cat", {}, collision_rule::overwrite)});
  BOOST_REQUIRE(!got);
  BOOST_CHECK(got.error().code == ec::unavailable);
  BOOST_CHECK_GT(got.error().retry_after_ms, 0u);
}

BOOST_AUTO_TEST_CASE(two_images_of_a_job_that_overwrite_the_same_name_are_refused) {
  auto wanted = named("cat", {}, collision_rule::overwrite);
  auto got = reserve("j1", {wanted, wanted});
  BOOST_REQUIRE(!got);
  BOOST_CHECK(got.error().code == ec::bad_request);
  BOOST_CHECK_EQUAL(names.size(), 0u);
}

BOOST_AUTO_TEST_CASE(a_counter_is_above_all_numbers_in_the_folder_whatever_their_extension) {
  for (auto name : {"cat_00007_.png", "cat_00012.webp", "cat_9_x.txt", "cat_x_99.png", "cat99.png",
                    "dog_00099_.png", "cat_.png"})
    disk.put(std::string{"/out/"} + name, "x");
  BOOST_CHECK_EQUAL(one("j1", numbered("cat")), "cat_00013_.png");
  BOOST_CHECK_EQUAL(one("j2", numbered("cat", 3, "")), "cat_014.png");
}

BOOST_AUTO_TEST_CASE(a_counter_starts_with_one_and_counts_within_a_job) {
  auto got = reserve("j1", {numbered("cat"), numbered("cat")});
  BOOST_REQUIRE(got);
  BOOST_CHECK_EQUAL(got->at(0).filename, "cat_00001_.png");
  BOOST_CHECK_EQUAL(got->at(1).filename, "cat_00002_.png");
}

BOOST_AUTO_TEST_CASE(a_number_too_long_to_count_is_not_one) {
  disk.put("/out/cat_99999999999999999999999999_.png", "x");
  BOOST_CHECK_EQUAL(one("j1", numbered("cat")), "cat_00001_.png");
}

BOOST_AUTO_TEST_CASE(a_released_name_is_free_again) {
  auto got = reserve("j1", {named("cat")});
  names.release("j1", got->front());
  names.release("j1", got->front());
  BOOST_CHECK_EQUAL(names.size(), 0u);
  BOOST_CHECK_EQUAL(one("j2", named("cat")), "cat.png");
}

BOOST_AUTO_TEST_CASE(a_link_below_the_root_is_not_permitted) {
  disk.put_link("/out/elsewhere");
  BOOST_CHECK_EQUAL(one("j1", named("cat", "elsewhere")), "(not_permitted)");
  BOOST_CHECK_EQUAL(one("j1", named("cat", "elsewhere/deep")), "(not_permitted)");
}

BOOST_AUTO_TEST_CASE(folders_that_lead_out_of_the_root_are_refused) {
  for (auto sub : {"..", "a/../..", "/etc", "a//b", ".", "a/", "./a"})
    BOOST_CHECK_EQUAL(one("j1", named("cat", sub)), "(bad_request)");
}

BOOST_AUTO_TEST_CASE(names_that_are_none_are_refused) {
  BOOST_CHECK_EQUAL(one("j1", named("a/b")), "(bad_request)");
  BOOST_CHECK_EQUAL(one("j1", named(std::string(252, 'x'))), "(bad_request)");
  BOOST_CHECK_EQUAL(one("j1", named(std::string("a\0b", 3))), "(bad_request)");
  BOOST_CHECK_EQUAL(one("j1", named(std::string(251, 'x'))).size(), 255u);
}

BOOST_AUTO_TEST_CASE(a_folder_that_may_not_be_read_counts_as_empty) {
  disk.put("/out/secret/cat.png", "x");
  disk.inject({io_op::open, "/out/secret", io_kind::no_permission});
  BOOST_CHECK_EQUAL(one("j1", named("cat", "secret")), "cat.png");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
