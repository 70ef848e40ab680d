#include <boost/test/unit_test.hpp>

#include "actors/gateway/commands/answer_json.hpp"

using namespace luna;
using namespace luna::commands;
using protocol::json;

BOOST_AUTO_TEST_SUITE(answer_json_test)

BOOST_AUTO_TEST_CASE(a_warning_tells_its_count_if_it_has_one) {
  BOOST_TEST(to_json({{"tiled", "cut", 0}, {"non_finite", "NaN", 3}}).dump()
             == R"([{"code":"tiled","message":"cut"},)"
                R"({"code":"non_finite","message":"NaN","count":3}])");
}

BOOST_AUTO_TEST_CASE(a_description_has_the_fields_of_its_kind) {
  model_description x;
  x.kind = model_kind::text;
  x.family = "clip_l";
  x.token_keys = {"l"};
  x.layers = 12;
  x.weight_keys = {"a"};
  auto header = json::object();
  add_description(header, x);
  BOOST_TEST(header.dump()
             == R"({"family":"clip_l","type":"","hash":"","token_keys":["l"],"layers":12,)"
                R"("weight_keys":["a"]})");
  x.kind = model_kind::vae;
  x.latent_channels = 4;
  header = json::object();
  add_description(header, x);
  BOOST_TEST(header["latent_channels"] == 4);
  BOOST_TEST(!header.contains("layers"));
}

BOOST_AUTO_TEST_CASE(how_an_image_was_cut_is_two_fields) {
  auto header = json::object();
  add_tiling(header, {true, 9});
  BOOST_TEST(header.dump() == R"({"tiled":true,"tiles":9})");
}

BOOST_AUTO_TEST_SUITE_END()
