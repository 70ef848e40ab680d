#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include "imaging/pixels.hpp"

using namespace luna;
using namespace luna::imaging;

namespace {

tensor_block floats(const std::vector<float>& values, std::vector<int64_t> shape) {
  return tensor_block::copy_of(dtype::f32, std::move(shape), std::as_bytes(std::span{values}));
}

std::vector<int> numbers(const tensor_block& u8) {
  const auto values = u8.as<uint8_t>();
  return {values.begin(), values.end()};
}

} // namespace

BOOST_AUTO_TEST_SUITE(pixels_test)

BOOST_AUTO_TEST_CASE(floats_are_clipped_and_truncated_as_comfyui_does) {
  const float infinity = std::numeric_limits<float>::infinity();
  const auto got = to_u8(floats({0.0F, 1.0F, 0.5F, 0.999999F, 1.0001F, -0.3F, 1e30F, 2.0F / 255,
                                 1.99F / 255, infinity, -infinity, std::nanf("")},
                                {2, 2, 3}));
  BOOST_TEST(numbers(got) == (std::vector<int>{0, 255, 127, 254, 255, 0, 255, 2, 1, 255, 0, 0}),
             boost::test_tools::per_element());
  BOOST_TEST((got.type() == dtype::u8));
  BOOST_TEST((got.shape() == std::vector<int64_t>{2, 2, 3}));
}

BOOST_AUTO_TEST_CASE(every_byte_survives_the_way_over_float) {
  std::vector<float> values;
  std::vector<int> expected;
  for (int i = 0; i < 255 * 3; ++i) {
    values.push_back(static_cast<float>(i % 255 + 0.5) / 255.0F);
    expected.push_back(i % 255);
  }
  BOOST_TEST(numbers(to_u8(floats(values, {255, 1, 3}))) == expected,
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(bytes_are_handed_back_without_a_copy) {
  const std::vector<uint8_t> bytes(12, 9);
  const auto block = tensor_block::copy_of(dtype::u8, {2, 2, 3}, std::as_bytes(std::span{bytes}));
  BOOST_TEST(to_u8(block).bytes().data() == block.bytes().data());
}

BOOST_AUTO_TEST_CASE(a_row_of_a_batch_is_a_view) {
  std::vector<float> values(2 * 3 * 4 * 3);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i);
  const auto batch = floats(values, {2, 3, 4, 3});
  const auto second = picture_of(batch, 1);
  BOOST_TEST((second.shape() == std::vector<int64_t>{3, 4, 3}));
  BOOST_TEST(second.as<float>()[0] == 36.0F);
  BOOST_TEST(second.bytes().data() == batch.bytes().data() + 36 * sizeof(float));
  BOOST_TEST(second.bytes().size() == 36 * sizeof(float));
}

BOOST_AUTO_TEST_CASE(shapes_are_pictures_or_batches_of_them) {
  const std::vector<float> values(24);
  BOOST_TEST(picture_shape_of(floats(values, {2, 4, 3}))->count == 1);
  BOOST_TEST(picture_shape_of(floats(values, {2, 4, 3, 1}))->count == 2);
  BOOST_TEST(picture_shape_of(floats(values, {1, 2, 4, 3}))->width == 4);
  for (const auto& shape :
       std::vector<std::vector<int64_t>>{{24}, {4, 6}, {3, 4, 2}, {2, 2, 6}, {1, 1, 2, 4, 3}}) {
    const auto got = picture_shape_of(floats(values, shape));
    BOOST_TEST(!got.has_value(), format_shape(shape));
  }
  BOOST_TEST(!picture_shape_of(floats({}, {0, 4, 4, 3})).has_value());
  const std::vector<uint16_t> halves(12);
  const auto half = picture_shape_of(
    tensor_block::copy_of(dtype::f16, {2, 2, 3}, std::as_bytes(std::span{halves})));
  BOOST_TEST_REQUIRE(!half.has_value());
  BOOST_TEST(half.error().message.find("f16") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
