#include <boost/test/unit_test.hpp>

#include "store_fixture.hpp"

// What is known at submit is refused at submit.

namespace luna::storage::testing {

namespace {

struct fixture : store_fixture {
  fixture() { start(); }

  failure refusal(name_request name) {
    auto x = submit(job_of("", {std::move(name)}));
    BOOST_REQUIRE(!x);
    // Nothing of it is left, and it says nothing of the node.
    BOOST_CHECK_EQUAL(store->counters().queued, 0u);
    BOOST_CHECK_EQUAL(store->counters().problem, "");
    return x.error();
  }

  void check(const failure& why, ec code, std::string_view part) {
    BOOST_CHECK(why.code == code);
    BOOST_CHECK_MESSAGE(why.message.find(part) != std::string::npos, why.message);
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(destination_test, fixture)

BOOST_AUTO_TEST_CASE(an_output_folder_that_is_gone_refuses_the_submit) {
  auto name = named("a");
  name.root = "/unmounted";
  check(refusal(name), ec::not_permitted, "/unmounted does not exist");
}

BOOST_AUTO_TEST_CASE(an_output_folder_that_became_a_file_refuses_the_submit) {
  disk->put("/plain", "text");
  auto name = named("a");
  name.root = "/plain";
  check(refusal(name), ec::not_permitted, "/plain");
}

BOOST_AUTO_TEST_CASE(a_file_where_a_folder_is_needed_refuses_the_submit) {
  disk->put("/out/x", "text");
  check(refusal(named("a", "x/y")), ec::bad_request, "/out/x is a file");
  check(refusal(named("a", "x")), ec::bad_request, "/out/x is a file");
}

BOOST_AUTO_TEST_CASE(a_link_on_the_way_refuses_the_submit) {
  disk->put_link("/out/l");
  check(refusal(named("a", "l")), ec::not_permitted, "/out/l");
}

BOOST_AUTO_TEST_CASE(a_folder_that_may_not_be_written_refuses_the_submit_and_is_looked_at_again) {
  for (auto kind : {io_kind::no_permission, io_kind::read_only}) {
    disk->inject({io_op::create, "/out/", kind});
    check(refusal(named("a")), ec::not_permitted, "/out");
    check(refusal(named("a", "new/folder")), ec::not_permitted, "/out");
    disk->clear_faults();
  }
  submitted(job_of("", {named("a")}));
}

BOOST_AUTO_TEST_CASE(a_folder_of_the_name_to_be_overwritten_refuses_the_submit) {
  disk->put("/out/a.png/inside", "text");
  check(refusal(named("a", {}, collision_rule::overwrite)), ec::bad_request,
        "/out/a.png is a folder");
  submitted(job_of("", {named("a")})); // a_2.png
  work_all();
  BOOST_CHECK(disk->contents("/out/a_2.png"));
}

BOOST_AUTO_TEST_CASE(a_job_too_large_for_the_spool_is_no_problem_of_the_node) {
  options.spool_bytes = 2000;
  BOOST_REQUIRE_EQUAL(power_cycle(survival::synced), "");
  auto x = submit(job_of("", {named("a")}, 0, 5000));
  BOOST_REQUIRE(!x);
  BOOST_CHECK(x.error().code == ec::bad_request);
  BOOST_CHECK_EQUAL(store->counters().problem, "");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
