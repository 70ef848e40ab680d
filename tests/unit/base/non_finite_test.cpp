#include <boost/test/unit_test.hpp>

#include <cstring>
#include <limits>
#include <vector>

#include "base/non_finite.hpp"

using namespace luna;

namespace {

template <class T>
uint64_t count(dtype type, const std::vector<T>& values) {
  return count_non_finite(type, std::as_bytes(std::span{values}));
}

} // namespace

BOOST_AUTO_TEST_SUITE(non_finite_test)

BOOST_AUTO_TEST_CASE(nan_and_both_infinities_are_counted_and_nothing_else) {
  constexpr auto inf = std::numeric_limits<float>::infinity();
  constexpr auto nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> values{0,    -0.0F, 1,   std::numeric_limits<float>::max(),
                            -inf, nan,   inf, std::numeric_limits<float>::denorm_min()};
  BOOST_TEST(count(dtype::f32, values) == 3U);
  std::vector<double> wide(values.begin(), values.end());
  wide.push_back(1e300);
  BOOST_TEST(count(dtype::f64, wide) == 3U);
  BOOST_TEST(count(dtype::f16, std::vector<uint16_t>{0x7bff, 0x7c00, 0xfc00, 0x7e00, 0}) == 3U);
  BOOST_TEST(count(dtype::bf16, std::vector<uint16_t>{0x7f7f, 0x7f80, 0xff80, 0x7fc0, 0}) == 3U);
}

BOOST_AUTO_TEST_CASE(as_many_as_there_are_are_counted) {
  // more than a 16-bit counter holds
  BOOST_TEST(count(dtype::bf16, std::vector<uint16_t>(200001, 0x7fc0)) == 200001U);
  BOOST_TEST(count(dtype::f32, std::vector<uint32_t>(200001, 0x7fc00000)) == 200001U);
}

BOOST_AUTO_TEST_CASE(types_without_such_values_have_none) {
  BOOST_TEST(count(dtype::u8, std::vector<uint8_t>(16, 0xff)) == 0U);
  BOOST_TEST(count(dtype::i64, std::vector<int64_t>(4, -1)) == 0U);
  BOOST_TEST(count(dtype::f32, std::vector<float>{}) == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
