#include <boost/test/unit_test.hpp>

#include <set>

#include "base/error_code.hpp"
#include "base/result.hpp"

namespace luna {

BOOST_AUTO_TEST_SUITE(error_code_test)

BOOST_AUTO_TEST_CASE(every_code_has_a_name_of_its_own_that_leads_back_to_it) {
  std::set<std::string_view> names;
  for (auto i = 0; i <= static_cast<int>(ec::internal); ++i) {
    auto code = static_cast<ec>(i);
    auto name = to_string(code);
    BOOST_TEST(!name.empty());
    BOOST_TEST(names.insert(name).second, "the name " << name << " is used twice");
    BOOST_TEST((error_code_of(name) == code), name << " does not lead back");
  }
}

BOOST_AUTO_TEST_CASE(the_numbers_that_travel_between_nodes_stay) {
  BOOST_TEST(static_cast<int>(ec::bad_frame) == 1);
  BOOST_TEST(static_cast<int>(ec::bad_request) == 6);
  BOOST_TEST(static_cast<int>(ec::overloaded) == 13);
  BOOST_TEST(static_cast<int>(ec::internal) == 20);
}

BOOST_AUTO_TEST_CASE(an_unknown_name_is_no_code) {
  BOOST_TEST(!error_code_of("").has_value());
  BOOST_TEST(!error_code_of("Bad_Request").has_value());
  BOOST_TEST(!error_code_of("bad_request ").has_value());
}

BOOST_AUTO_TEST_CASE(a_code_from_a_newer_node_is_called_internal) {
  BOOST_TEST(to_string(static_cast<ec>(200)) == "internal");
}

BOOST_AUTO_TEST_CASE(only_overloaded_unavailable_and_shutting_down_are_retryable) {
  for (auto i = 0; i <= static_cast<int>(ec::internal); ++i) {
    auto code = static_cast<ec>(i);
    auto expected = code == ec::overloaded || code == ec::unavailable || code == ec::shutting_down;
    BOOST_TEST(is_retryable(code) == expected, to_string(code));
  }
}

BOOST_AUTO_TEST_CASE(fail_makes_the_error_side_of_a_result) {
  result<int> plain = fail(ec::unknown_job, "there is no job 7");
  BOOST_REQUIRE(!plain);
  BOOST_TEST((plain.error() == failure{ec::unknown_job, "there is no job 7", 0, {}}));
  result<int> hinted = fail(ec::overloaded, "later", std::chrono::milliseconds{250});
  BOOST_TEST(hinted.error().retry_after_ms == 250U);
  result<std::string> passed_on = fail(hinted);
  BOOST_TEST((passed_on.error() == hinted.error()));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna
