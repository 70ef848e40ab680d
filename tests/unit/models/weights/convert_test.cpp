#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstring>

#include "models/weights/convert.hpp"
#include "support.hpp"

using namespace luna;
using namespace luna::models;

BOOST_AUTO_TEST_SUITE(convert_test)

BOOST_AUTO_TEST_CASE(bytes_of_an_image_are_truncated_as_comfyui_saves_them) {
  auto image = test::floats(
    {1, 2, 4, 1}, {-0.5F, 0.0F, 0.5F, 0.999F, 1.0F, 1.5F, 254.999F / 255.0F, 1.0F / 255.0F});
  auto bytes = test::value(image_to_u8(image));
  BOOST_TEST((bytes.type() == dtype::u8));
  BOOST_TEST(bytes.shape() == image.shape());
  auto got = bytes.as<uint8_t>();
  std::vector<int> values(got.begin(), got.end());
  BOOST_TEST(values == (std::vector<int>{0, 0, 127, 254, 255, 255, 254, 1}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(bytes_and_equal_types_are_not_copied) {
  auto bytes = test::pattern_image(2, 2, 3, 0);
  BOOST_TEST(test::value(image_to_u8(bytes)).bytes().data() == bytes.bytes().data());
  auto numbers = test::noise({4}, 1);
  BOOST_TEST(test::value(convert(numbers, dtype::f32)).bytes().data() == numbers.bytes().data());
}

BOOST_AUTO_TEST_CASE(numbers_are_rounded_to_nearest_even) {
  auto x = test::floats({2}, {1.0F + 1.0F / 2048, 1.0F + 3.0F / 2048}); // two ties
  auto halves = test::value(convert(x, dtype::f16));
  auto half = halves.as<uint16_t>();
  BOOST_TEST(half[0] == 0x3c00);
  BOOST_TEST(half[1] == 0x3c02);
  auto y = test::floats({2}, {1.0F + 1.0F / 256, 1.0F + 3.0F / 256});
  auto brains = test::value(convert(y, dtype::bf16));
  auto brain = brains.as<uint16_t>();
  BOOST_TEST(brain[0] == 0x3f80);
  BOOST_TEST(brain[1] == 0x3f82);
}

BOOST_AUTO_TEST_CASE(
  what_only_the_wanted_type_calls_infinite_is_refused_with_the_type_that_holds_it) {
  auto x = test::floats({5}, {65504.0F, 65519.0F, 65520.0F, -1e6F, 1.0F});
  auto halves = convert(x, dtype::f16);
  BOOST_REQUIRE(!halves);
  BOOST_TEST((halves.error().code == ec::bad_request));
  BOOST_TEST(halves.error().message
             == "2 of its values are too large for f16, which ends at 65504: ask for the dtype bf16"
                " or f32");
  BOOST_TEST(convert(x, dtype::bf16).has_value());
  auto brains = convert(test::floats({1}, {3.4e38F}), dtype::bf16);
  BOOST_REQUIRE(!brains);
  BOOST_TEST(brains.error().message.ends_with("ask for the dtype f32"));
}

BOOST_AUTO_TEST_CASE(what_is_infinite_or_nan_already_stays_so) {
  auto x = test::floats({3}, {INFINITY, -INFINITY, NAN});
  auto halves = test::value(convert(x, dtype::f16));
  auto half = halves.as<uint16_t>();
  BOOST_TEST(half[0] == 0x7c00);
  BOOST_TEST(half[1] == 0xfc00);
  BOOST_TEST((half[2] & 0x7fff) > 0x7c00);
  BOOST_TEST(test::value(image_to_u8(x)).as<uint8_t>()[0] == 255);
}

BOOST_AUTO_TEST_CASE(a_detour_over_16_bits_loses_only_what_they_cannot_hold) {
  auto x = test::noise({100}, 2);
  for (auto [type, bound] : {std::pair{dtype::f16, 1e-3}, {dtype::bf16, 1e-2}}) {
    auto back = test::value(convert(test::value(convert(x, type)), dtype::f32));
    BOOST_TEST(test::largest_error(back, x) <= 4 * bound);
  }
}

BOOST_AUTO_TEST_CASE(what_makes_no_sense_is_refused) {
  auto bytes = test::pattern_image(2, 2, 3, 0);
  BOOST_TEST((convert(bytes, dtype::f32).error().code == ec::bad_request));
  BOOST_TEST((convert(test::noise({1}, 1), dtype::i64).error().code == ec::bad_request));
  BOOST_TEST(
    (convert_reply(test::noise({1}, 1), dtype::u8, false).error().code == ec::bad_request));
  BOOST_TEST(convert_reply(test::noise({1}, 1), dtype::u8, true).has_value());
  BOOST_TEST(convert_reply(test::noise({1}, 1), dtype::f16, false).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
