#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <random>

#include "imaging/png_filter.hpp"

using luna::imaging::row_filter;

namespace {

/// What the PNG standard says, byte by byte.
std::vector<uint8_t> unfiltered(const std::vector<uint8_t>& filtered,
                                const std::vector<uint8_t>& above, size_t bpp) {
  std::vector<uint8_t> row(filtered.size() - 1);
  for (size_t i = 0; i < row.size(); ++i) {
    const int a = i >= bpp ? row[i - bpp] : 0;
    const int b = above[i];
    const int c = i >= bpp ? above[i - bpp] : 0;
    const int pa = std::abs(b - c);
    const int pb = std::abs(a - c);
    const int pc = std::abs(a + b - 2 * c);
    const int paeth = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
    const int predicted[] = {0, a, b, (a + b) / 2, paeth};
    row[i] = static_cast<uint8_t>(filtered[i + 1] + predicted[filtered[0]]);
  }
  return row;
}

} // namespace

BOOST_AUTO_TEST_SUITE(png_filter_test)

BOOST_AUTO_TEST_CASE(the_standards_own_inverse_gives_the_rows_back) {
  std::mt19937 random{3};
  for (const size_t bpp : {1u, 3u, 4u}) {
    for (const size_t width : {1u, 2u, 17u, 1024u}) {
      const size_t n = bpp * width;
      row_filter filter{n, bpp};
      std::vector<uint8_t> above(n, 0);
      std::vector<std::vector<uint8_t>> rows(12, std::vector<uint8_t>(n));
      for (auto& row : rows)
        for (auto& x : row)
          x = static_cast<uint8_t>(random());
      for (const auto& row : rows) {
        std::vector<uint8_t> out(n + 1);
        filter.filter(row.data(), out.data());
        BOOST_TEST_REQUIRE(out[0] <= 4);
        BOOST_TEST((unfiltered(out, above, bpp) == row), "width " << width << ", bytes " << bpp);
        above = row;
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(each_filter_wins_where_it_predicts_exactly) {
  const size_t n = 256;
  const auto kind_of = [n](const std::vector<uint8_t>& first, const std::vector<uint8_t>& second) {
    row_filter filter{n, 1};
    std::vector<uint8_t> out(n + 1);
    filter.filter(first.data(), out.data());
    filter.filter(second.data(), out.data());
    return int{out[0]};
  };
  std::mt19937 random{5};
  std::vector<uint8_t> noise(n);
  for (auto& x : noise)
    x = static_cast<uint8_t>(random());
  BOOST_TEST(kind_of(noise, std::vector<uint8_t>(n, 0)) == 0);
  BOOST_TEST(kind_of(noise, std::vector<uint8_t>(n, 200)) == 1);
  BOOST_TEST(kind_of(noise, noise) == 2);
  std::vector<uint8_t> average(n);
  for (size_t i = 0; i < n; ++i) {
    average[i] = static_cast<uint8_t>(((i > 0 ? average[i - 1] : 0) + noise[i]) / 2 + 3);
  }
  BOOST_TEST(kind_of(noise, average) == 3);
  // Steps that the row above has too: sub fails at the steps, up off them, Paeth nowhere.
  std::vector<uint8_t> steps(n);
  std::vector<uint8_t> shifted(n);
  for (size_t i = 0; i < n; ++i) {
    steps[i] = static_cast<uint8_t>((i / 4) * 37 % 100);
    shifted[i] = static_cast<uint8_t>(steps[i] + 90);
  }
  BOOST_TEST(kind_of(steps, shifted) == 4);
}

BOOST_AUTO_TEST_SUITE_END()
