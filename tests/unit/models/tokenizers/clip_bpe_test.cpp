#include <boost/test/unit_test.hpp>

#include <numeric>

#include "models/tokenizers/clip_bpe.hpp"
#include "support.hpp"

using namespace luna;
using namespace luna::models;

namespace {

std::vector<int32_t> encode(std::string_view text) {
  static const auto bpe =
    test::value(clip_bpe::load(LUNA_SHARE "/clip/bpe_simple_vocab_16e6.txt.gz"));
  return bpe->encode(text);
}

using ids = std::vector<int32_t>;

} // namespace

BOOST_AUTO_TEST_SUITE(clip_bpe_test)

// The ids are those of transformers 5.23 with the same vocabulary.
BOOST_AUTO_TEST_CASE(words_numbers_and_contractions_are_cut_as_transformers_cuts_them) {
  BOOST_TEST(encode("a photo of a cat") == (ids{320, 1125, 539, 320, 2368}));
  BOOST_TEST(encode("don\u2019t IT'S") == (ids{847, 728, 503, 339, 585, 568}));
  BOOST_TEST(encode("").empty());
  BOOST_TEST(encode(" \n\u00a0\u3000").empty());
}

BOOST_AUTO_TEST_CASE(text_is_composed_and_lowered_and_nothing_else) {
  BOOST_TEST(encode("e\u0301") == encode("\u00e9")); // NFC
  BOOST_TEST(encode("\u0130") == (ids{328, 16384})); // one letter, two when lowered
  BOOST_TEST(encode("\u03a3\u0391\u03a3") == (ids{139, 225, 138, 109, 139, 481})); // no final sigma
  BOOST_TEST(encode("\ufb01") != encode("fi"));                                    // not NFKC
  BOOST_TEST(encode("x\u180ey")
             == (ids{343, 157, 254, 492, 344})); // no white space since Unicode 6.3
}

BOOST_AUTO_TEST_CASE(of_markers_in_capitals_only_the_start_is_an_id) {
  BOOST_TEST(encode("a<|endoftext|>b") == (ids{320, clip_bpe::end, 321}));
  BOOST_TEST(encode("<|ENDOFTEXT|> x") == (ids{27, 347, 40786, 4160, 91, 285, 343}));
  BOOST_TEST(encode("a!<|StartOfText|>b") == (ids{320, 256, clip_bpe::start, 321}));
  BOOST_TEST(encode("<|startoftext|><|endoftext|>") == (ids{clip_bpe::start, clip_bpe::end}));
}

BOOST_AUTO_TEST_CASE(a_very_long_word_takes_no_time_worth_mentioning) {
  // The naive algorithm needs 250,000 x 250,000 steps: minutes.
  auto got = encode(std::string(250000, 'a'));
  BOOST_TEST(got.size() > 10000U);
  BOOST_TEST(got.size() < 250000U);
}

BOOST_AUTO_TEST_CASE(nul_and_unassigned_characters_are_encoded_byte_by_byte) {
  BOOST_TEST(encode(std::string_view{"\0", 1}).size() == 1U);
  BOOST_TEST(!encode("\U000e0fff").empty());
  BOOST_TEST(!encode("\uffff").empty());
}

BOOST_AUTO_TEST_SUITE_END()
