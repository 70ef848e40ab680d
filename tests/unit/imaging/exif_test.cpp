#include <boost/test/unit_test.hpp>

#include "imaging/exif.hpp"
#include "tests/unit/imaging/read_exif.hpp"

using namespace luna::imaging;
using luna::imaging::testing::exif_reader;

BOOST_AUTO_TEST_SUITE(exif_test)

BOOST_AUTO_TEST_CASE(the_frontend_reads_every_text_back) {
  std::vector<text_chunk> entries = {{"prompt", "{\"a\": 1}"}, {"workflow", "{\"b:c\": 2}"}};
  for (int i = 0; i < 6; ++i)
    entries.push_back(
      {"key" + std::to_string(i), "text " + std::string(static_cast<size_t>(i), 'x')});
  const auto block = make_exif(entries, "");
  BOOST_TEST(block.size() % 2 == 0u);
  const exif_reader got{block};
  BOOST_TEST(got.texts.size() == entries.size());
  for (const auto& [key, text] : entries)
    BOOST_TEST(got.texts.at(key) == text);
  BOOST_TEST(got.by_tag.at(0x0110) == "prompt:{\"a\": 1}");
  BOOST_TEST(got.by_tag.at(0x010F) == "workflow:{\"b:c\": 2}");
  BOOST_TEST(got.by_tag.at(0xD000) == "key2:text xx");
}

BOOST_AUTO_TEST_CASE(a_second_prompt_does_not_take_the_first_ones_tag) {
  const std::vector<text_chunk> entries = {{"prompt", "first"}, {"prompt", "second"}};
  const exif_reader got{make_exif(entries, "")};
  BOOST_TEST(got.by_tag.at(0x0110) == "prompt:first");
  BOOST_TEST(got.by_tag.at(0x010F) == "prompt:second");
}

BOOST_AUTO_TEST_CASE(the_comment_is_utf16_with_surrogates) {
  const exif_reader got{make_exif({}, "a\u00e9\u20ac\U0001F600")};
  const std::string want = {'a',    '\0',   '\xe9', '\0',   '\xac',
                            '\x20', '\x3d', '\xd8', '\x00', '\xde'};
  BOOST_TEST(got.comment_utf16 == want);
  BOOST_TEST(got.texts.empty());
}

BOOST_AUTO_TEST_CASE(nothing_makes_no_block) {
  BOOST_TEST(make_exif({}, "").empty());
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_left_out_in_order_and_said) {
  picture_text text;
  text.exif = {{"prompt", std::string(100, 'p')},
               {"first", std::string(100, '1')},
               {"workflow", std::string(100, 'w')},
               {"second", std::string(100, '2')}};
  text.comment = std::string(100, 'c');
  const auto whole = make_exif_within(text, 10000);
  BOOST_TEST(whole.left_out.empty());
  const auto left_out_at = [&](size_t limit) {
    const auto got = make_exif_within(text, limit);
    BOOST_TEST(got.bytes.size() <= limit);
    return got.left_out;
  };
  using list = std::vector<std::string>;
  BOOST_TEST(left_out_at(whole.bytes.size()) == list{}, boost::test_tools::per_element());
  BOOST_TEST(left_out_at(whole.bytes.size() - 1) == list{"workflow"},
             boost::test_tools::per_element());
  BOOST_TEST(left_out_at(500) == (list{"workflow", "second"}), boost::test_tools::per_element());
  BOOST_TEST(left_out_at(100) == (list{"workflow", "second", "first", "prompt", "comment"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
