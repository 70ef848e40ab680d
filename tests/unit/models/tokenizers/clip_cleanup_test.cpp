#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "models/tokenizers/clip_bpe.hpp"
#include "models/tokenizers/clip_cleanup.hpp"
#include "models/tokenizers/utf8.hpp"
#include "support.hpp"

using namespace luna;
using namespace luna::models;

namespace {

const clip_bpe& vocabulary() {
  static const auto bpe =
    test::value(clip_bpe::load(LUNA_SHARE "/clip/bpe_simple_vocab_16e6.txt.gz"));
  return *bpe;
}

std::string clean(std::string_view text, text_cleanup how = text_cleanup::transformers4) {
  return encode_utf8(clean_clip_text(text, how));
}

} // namespace

BOOST_AUTO_TEST_SUITE(clip_cleanup_test)

BOOST_AUTO_TEST_CASE(both_versions_of_transformers_are_followed_in_every_recorded_text) {
  auto golden = nlohmann::json::parse(test::read_text(LUNA_TEST_DATA "/models/text_cleanup.json"));
  auto different = 0;
  for (auto& x : golden["cases"]) {
    different += x["transformers4"] != x["transformers5"] ? 1 : 0;
    auto text = x["text"].get<std::string>();
    for (auto [name, how] : {std::pair{"transformers4", text_cleanup::transformers4},
                             {"transformers5", text_cleanup::transformers5}}) {
      nlohmann::json got = vocabulary().encode(text, how);
      BOOST_CHECK_MESSAGE(got == x[name], name << " of " << x["text"].dump(-1, ' ', true) << ": "
                                               << got << " instead of " << x[name]);
    }
  }
  BOOST_TEST(different >= 20);
}

BOOST_AUTO_TEST_CASE(transformers_4_sets_ideographs_apart_and_drops_what_does_not_print) {
  BOOST_TEST(clean("\u732bcat\u732b") == " \u732b cat \u732b ");
  BOOST_TEST(clean("a\u200bb\x01\ufffd") == "ab");
  BOOST_TEST(clean("a\u200bb", text_cleanup::transformers5) == "a\u200bb");
}

BOOST_AUTO_TEST_CASE(transformers_4_lowers_a_final_sigma_as_python_does) {
  BOOST_TEST(clean("\u03a3\u0391\u03a3") == "\u03c3\u03b1\u03c2");
  BOOST_TEST(clean("\u03a3\u0391\u03a3", text_cleanup::transformers5) == "\u03c3\u03b1\u03c3");
}

BOOST_AUTO_TEST_SUITE_END()
