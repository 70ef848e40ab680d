#include <boost/test/unit_test.hpp>

#include <string>

#include "imaging/text_keys.hpp"

using namespace luna::imaging;

BOOST_AUTO_TEST_SUITE(text_keys_test)

BOOST_AUTO_TEST_CASE(keywords_have_1_to_79_printable_latin_1_characters) {
  for (const auto& good : {std::string{"a"}, std::string(79, 'k'), std::string{"two words"}}) {
    BOOST_TEST(is_png_keyword(good), good);
    BOOST_TEST(png_keyword_of(good) == good);
  }
  for (const auto& bad :
       {std::string{}, std::string(80, 'k'), std::string{"a\nb"}, std::string{"\0", 1},
        std::string{"\u732b"}, std::string{"\xff"}, std::string{"\x7f"}})
    BOOST_TEST(!is_png_keyword(bad), bad);
}

BOOST_AUTO_TEST_CASE(other_keys_are_escaped_as_in_json) {
  BOOST_TEST(png_keyword_of("\u732b \\ a\n") == "\\u732b \\\\ a\\u000a");
  BOOST_TEST(png_keyword_of("\U0001f431") == "\\ud83d\\udc31");
  BOOST_TEST(ascii_key("cl\u00e9") == "cl\\u00e9");
  BOOST_TEST(one_line_key("\u732b\r\nx") == "\u732b\\u000d\\u000ax");
}

BOOST_AUTO_TEST_CASE(a_long_key_is_cut_between_two_characters_and_told_from_others) {
  std::string cats;
  for (int i = 0; i < 30; ++i)
    cats += "\u732b";
  for (int before = 0; before < 8; ++before) {
    const auto key = std::string(static_cast<size_t>(before), 'x') + cats;
    const auto one = png_keyword_of(key + "1");
    const auto two = png_keyword_of(key + "2");
    BOOST_TEST(is_png_keyword(one), one);
    BOOST_TEST(one != two);
    BOOST_TEST(one.substr(0, one.size() - 9) == two.substr(0, two.size() - 9));
    BOOST_TEST(one.substr(one.size() - 14, 5) == "u732b"); // whole
  }
  BOOST_TEST(png_keyword_of(std::string(80, 'k')).size() == 79u);
}

BOOST_AUTO_TEST_SUITE_END()
