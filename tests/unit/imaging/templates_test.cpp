#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <ctime>

#include "imaging/templates.hpp"

using namespace luna::imaging;

namespace {

const template_values values{"Illustrious/3DCG/foo_v60.safetensors", 7, {2025, 12, 2, 23, 36, 42}};

std::string expanded(std::string_view pattern) {
  return expand_template(pattern, values);
}

} // namespace

BOOST_AUTO_TEST_SUITE(templates_test)

BOOST_AUTO_TEST_CASE(the_models_variables_come_without_extension) {
  BOOST_TEST(expanded("%model_name%") == "foo_v60");
  BOOST_TEST(expanded("%model_path%") == "Illustrious/3DCG/foo_v60");
  BOOST_TEST(expanded("%model_dir%") == "Illustrious/3DCG");
  BOOST_TEST(expanded("a_%model_name%_b_%model_name%") == "a_foo_v60_b_foo_v60");
}

BOOST_AUTO_TEST_CASE(one_extension_goes_whatever_its_case) {
  BOOST_TEST(split_model_name("x.CKPT").name == "x");
  BOOST_TEST(split_model_name("x.pt.safetensors").name == "x.pt");
  BOOST_TEST(split_model_name("x.v1").name == "x.v1");
  BOOST_TEST(split_model_name("a\\b\\x.gguf").dir == "a/b");
  BOOST_TEST(split_model_name("").name == "UnknownModel");
  BOOST_TEST(split_model_name("").path.empty());
}

BOOST_AUTO_TEST_CASE(the_index_is_a_plain_number) {
  BOOST_TEST(expanded("%index%") == "7");
}

BOOST_AUTO_TEST_CASE(time_has_six_tokens_and_the_rest_is_literal) {
  BOOST_TEST(expanded("%time:YYYY-mm-dd.HH.MM.SS%") == "2025-12-02.23.36.42");
  BOOST_TEST(expanded("%time:YYYY/mm/dd%") == "2025/12/02");
  BOOST_TEST(expanded("%time:YY-m-d%") == "YY-m-d");
}

BOOST_AUTO_TEST_CASE(a_percent_that_closes_time_and_begins_a_variable_counts_for_both) {
  BOOST_TEST(expanded("%time:YYYY-mm-dd_%index%") == "2025-12-02_7");
  BOOST_TEST(expanded("%time:YYYY_%model_name%_x") == "2025_foo_v60_x");
  BOOST_TEST(expanded("%time:YYYY_%time:MM%") == "2025_36");
  BOOST_TEST(expanded("%time:YYYY%%index%") == "20257");
  BOOST_TEST(expanded("%time:YYYY%_%index%") == "2025_7");
  BOOST_TEST(expanded("%time:YYYY-mm%index") == "2025-12index");
}

BOOST_AUTO_TEST_CASE(what_is_no_variable_stays_as_it_is) {
  BOOST_TEST(expanded("%unknown%") == "%unknown%");
  BOOST_TEST(expanded("%Model_Name%") == "%Model_Name%");
  BOOST_TEST(expanded("100%") == "100%");
  BOOST_TEST(expanded("%time:YYYY") == "%time:YYYY");
  BOOST_TEST(expanded("%time:%") == "%time:%");
  BOOST_TEST(expanded("%unknown%index%") == "%unknown7");
}

BOOST_AUTO_TEST_CASE(values_are_not_expanded_again) {
  BOOST_TEST(expand_template("%model_name%", {"%index%", 7, {}}) == "%index%");
}

BOOST_AUTO_TEST_CASE(backslashes_become_slashes_and_slashes_at_the_end_go) {
  BOOST_TEST(expanded("a\\b/") == "a/b");
  BOOST_TEST(expanded("a//") == "a");
  BOOST_TEST(expanded("//") == "");
}

BOOST_AUTO_TEST_CASE(timestamps_are_read_in_both_forms) {
  const timestamp want{2026, 11, 22, 10, 0, 5};
  for (const auto* text :
       {"2026-11-22T10:00:05", "2026-11-22 10:00:05", "2026_11_22_100005",
        "2026-11-22T10:00:05.123456", "2026-11-22T10:00:05Z", "2026-11-22T10:00:05.5+02:00"})
    BOOST_TEST((parse_timestamp(text) == want), text);
  BOOST_TEST(to_string(want) == "2026_11_22_100005");
}

BOOST_AUTO_TEST_CASE(dates_that_do_not_exist_are_refused) {
  for (const auto* text :
       {"", "2026-02-29T10:00:00", "2026-13-01T10:00:00", "2026-11-22T24:00:00",
        "2026-11-22T10:60:00", "2026-11-22", "2026_11_22_1000", "2026-11-22T10:00:00x",
        "2026-11-22T10:00:00.", "0000-01-01T00:00:00", "2026-1-022T10:00:00"})
    BOOST_TEST(!parse_timestamp(text).has_value(), text);
  BOOST_TEST(parse_timestamp("2024-02-29T10:00:00").has_value());
}

BOOST_AUTO_TEST_CASE(local_time_is_that_of_the_zone) {
  setenv("TZ", "UTC-5:30", 1); // POSIX: five and a half hours east of Greenwich
  tzset();
  const auto moment =
    std::chrono::sys_days{std::chrono::year{2026} / 1 / 1} + std::chrono::hours{20};
  BOOST_TEST((local_timestamp(moment) == timestamp{2026, 1, 2, 1, 30, 0}));
  unsetenv("TZ");
  tzset();
}

BOOST_AUTO_TEST_CASE(comfyuis_own_variables_are_filled_in) {
  const template_values values{"m.ckpt", 7, {2026, 3, 4, 5, 6, 7}, 640, 480, 2};
  const auto expand = [&](std::string_view pattern) { return expand_template(pattern, values); };
  BOOST_TEST(expand("%width%x%height%_%batch_num%") == "640x480_2");
  BOOST_TEST(expand("%year%-%month%-%day% %hour%:%minute%:%second%") == "2026-03-04 05:06:07");
  BOOST_TEST(expand("%date:yyyy-MM-dd_hhmmss%") == "2026-03-04_050607");
  BOOST_TEST(expand("%date:yy/M/d h.m.s%") == "26/3/4 5.6.7");
  BOOST_TEST(expand("%date:yyy%") == "yyy");
  BOOST_TEST(expand("%date:MMM%") == "033");
  BOOST_TEST(expand("%date:yyyy_%index%") == "2026_7");
  BOOST_TEST(expand("%date:%") == "%date:%");
}

BOOST_AUTO_TEST_SUITE_END()
