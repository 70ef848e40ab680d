#include <boost/test/unit_test.hpp>

#include "nodes/configuration_text.hpp"
#include "tests/unit/why.hpp"

using namespace luna;

namespace {

std::string error_of(std::string_view text) {
  const auto got = scan_configuration(text, "c.conf");
  return got ? "" : got.error().message;
}

/// Checks that the text is refused on a line, with some words.
void check_error(std::string_view text, const std::string& line, const std::string& words) {
  const auto message = error_of(text);
  BOOST_TEST(message.starts_with("c.conf:" + line + ": "), message << " for " << text);
  BOOST_TEST(message.find(words) != std::string::npos, message << " for " << text);
}

} // namespace

BOOST_AUTO_TEST_SUITE(configuration_text_test)

BOOST_AUTO_TEST_CASE(every_key_and_element_has_its_line) {
  const auto got = scan_configuration(R"(# head
cluster {
  name = "x"   # with a comment
  tls { ca = "", key = "" }
}
nodes = [
  {
    name = "a",
    devices = [
      { name = "cpu" },

      { name = "cuda:0" }
    ]
  },
]
)",
                                      "c.conf");
  BOOST_TEST_REQUIRE(got.has_value(), luna::testing::why(got));
  BOOST_TEST(got->lines.at("cluster") == 2);
  BOOST_TEST(got->lines.at("cluster.name") == 3);
  BOOST_TEST(got->lines.at("cluster.tls.key") == 4);
  BOOST_TEST(got->lines.at("nodes[0]") == 7);
  BOOST_TEST(got->lines.at("nodes[0].devices[1]") == 12);
  BOOST_TEST(got->lines.at("nodes[0].devices[1].name") == 12);
  BOOST_TEST(got->line_of("nodes[0].port") == 7);
  BOOST_TEST(got->line_of("cluster.tls.certificate") == 4);
  BOOST_TEST(got->line_of("saving.node") == 0);
}

BOOST_AUTO_TEST_CASE(comments_and_carriage_returns_go_and_the_lines_stay) {
  const auto got =
    scan_configuration("\xef\xbb\xbf# one\r\na = \"#no\" # two\r\n\r\nb = 1#three", "c.conf");
  BOOST_TEST_REQUIRE(got.has_value(), luna::testing::why(got));
  BOOST_TEST(got->clean == "\na = \"#no\" \n\nb = 1\n");
}

BOOST_AUTO_TEST_CASE(mistakes_are_reported_on_their_line) {
  check_error("a {\n  b = \n}", "2", "the value of a.b on the same line");
  check_error("a {\n  b 1\n}", "2", "'=' or '{' after b");
  check_error("a = \"x\ny\"", "1", "no closing quote");
  check_error("a = \"C:\\folder\"", "1", "backslash");
  check_error("a {\n b = 1\n", "1", "never closed");
  check_error("\na = [1,\n2", "2", "never closed");
  check_error("a = [1 2]", "1", "',' or ']'");
  check_error("a { b = 1 c = 2 }", "1", "',' or a new line");
  check_error("a = 1 b = 2", "1", "end of the line");
  check_error("a = yes", "1", "double quotes");
  check_error("a = 'yes'", "1", "the value of a");
  check_error("[cluster]\n", "1", "name { ... }");
  check_error("= 1", "1", "a section or a key");
  check_error("a = {}}", "1", "end of the line");
  check_error("a = [,]", "1", "the value of a[0]");
  check_error("a { , }", "1", "a key of a");
  check_error("\xc3\xa9 = 1", "1", "in quotes only");
}

BOOST_AUTO_TEST_CASE(a_second_key_of_the_same_name_is_an_error_that_names_the_first) {
  check_error("a {\n x = 1\n x = 2\n}", "3", "a.x stands here a second time, it is on line 2");
  check_error("a {}\nb {}\na {}", "3", "line 1");
}

BOOST_AUTO_TEST_CASE(numbers_are_whole_and_fit_64_bits) {
  for (const auto* good : {"0", "-1", "+5", "999999999999999999", "10s", "5min", "2h", "250ms"})
    BOOST_TEST(error_of(std::string{"a = "} + good) == "");
  for (const auto* bad : {"01", "0x10", "1.5", "1e5", "1.5s", "10d", "20GiB", "1000000000000000000",
                          "-", "99999999999h"})
    BOOST_TEST(error_of(std::string{"a = "} + bad) != "", bad);
  check_error("a = 99999999999h", "1", "292 years");
}

BOOST_AUTO_TEST_CASE(depth_is_bounded) {
  std::string deep = "a = ";
  for (int i = 0; i < 100000; ++i)
    deep += '[';
  check_error(deep, "1", "too deeply");
}

BOOST_AUTO_TEST_CASE(zero_bytes_are_refused) {
  BOOST_TEST(!error_of(std::string_view{"a = \"x\0y\"", 9}).empty());
  BOOST_TEST(!error_of(std::string_view{"a = 1\0", 6}).empty());
  BOOST_TEST(!error_of(std::string_view{"a = [1\0]", 8}).empty());
}

BOOST_AUTO_TEST_SUITE_END()
