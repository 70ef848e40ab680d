#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <random>

#include "imaging/png.hpp"
#include "tests/unit/imaging/read_png.hpp"
#include "tests/unit/why.hpp"

using namespace luna;
using namespace luna::imaging;
using luna::imaging::testing::read_chunks;
using luna::imaging::testing::read_png;

namespace {

/// Smooth areas, edges and grain: every filter wins some rows.
std::vector<uint8_t> picture(int64_t h, int64_t w, int64_t c) {
  std::mt19937 random{7};
  std::vector<uint8_t> out;
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < w; ++x)
      for (int64_t k = 0; k < c; ++k) {
        const double smooth = 100 + 80 * std::sin(0.02 * static_cast<double>(x * (k + 1)))
                            + 60 * std::cos(0.03 * static_cast<double>(y));
        const auto grain = static_cast<double>(random() % (y % 50 < 25 ? 3 : 200));
        out.push_back(static_cast<uint8_t>(std::fmod(smooth + grain + 512, 256)));
      }
  return out;
}

tensor_block block(const std::vector<uint8_t>& pixels, std::vector<int64_t> shape) {
  return tensor_block::copy_of(dtype::u8, std::move(shape), std::as_bytes(std::span{pixels}));
}

std::vector<std::byte> encoded(const tensor_block& image, const png_options& options = {},
                               const std::vector<text_chunk>& text = {}) {
  auto file = encode_png(image, options, text);
  BOOST_TEST_REQUIRE(file.has_value(), luna::testing::why(file));
  return *file;
}

const std::vector<png_options> all_options = [] {
  std::vector<png_options> out;
  for (int level = 0; level <= 9; ++level)
    for (const auto encoder : {png_encoder::fast, png_encoder::small})
      out.push_back({level, encoder});
  return out;
}();

} // namespace

BOOST_AUTO_TEST_SUITE(png_test)

BOOST_AUTO_TEST_CASE(libpng_reads_equal_pixels_at_every_level_of_both_encoders) {
  const auto pixels = picture(150, 131, 3);
  for (const auto& options : all_options) {
    BOOST_TEST_CONTEXT("level " << options.compression << ", encoder "
                                << static_cast<int>(*options.encoder)) {
      const auto got = read_png(encoded(block(pixels, {150, 131, 3}), options));
      BOOST_TEST(got.width == 131);
      BOOST_TEST(got.height == 150);
      BOOST_TEST((got.pixels == pixels));
    }
  }
}

BOOST_DATA_TEST_CASE(libpng_reads_equal_pixels_of_grey_rgb_and_rgba,
                     boost::unit_test::data::make({1, 3, 4}), channels) {
  for (const auto& [h, w] : {std::pair{1, 1}, std::pair{1, 7}, std::pair{7, 1}, std::pair{64, 48},
                             std::pair{33, 1025}}) {
    BOOST_TEST_CONTEXT(h << " x " << w) {
      const auto pixels = picture(h, w, channels);
      const auto got = read_png(encoded(block(pixels, {h, w, channels})));
      BOOST_TEST(got.channels == channels);
      BOOST_TEST((got.pixels == pixels));
    }
  }
}

BOOST_AUTO_TEST_CASE(noise_that_does_not_compress_is_still_read_back) {
  std::mt19937 random{1};
  std::vector<uint8_t> pixels(700 * 500 * 3);
  for (auto& x : pixels)
    x = static_cast<uint8_t>(random());
  for (const auto& options : all_options)
    BOOST_TEST((read_png(encoded(block(pixels, {500, 700, 3}), options)).pixels == pixels));
}

BOOST_AUTO_TEST_CASE(levels_0_to_4_are_fast_and_5_to_9_small_if_no_encoder_is_named) {
  const auto image = block(picture(120, 160, 3), {120, 160, 3});
  for (int level = 0; level <= 9; ++level) {
    const auto named = level <= 4 ? png_encoder::fast : png_encoder::small;
    BOOST_TEST((encoded(image, {level, {}}) == encoded(image, {level, named})), "level " << level);
  }
  BOOST_TEST((encoded(image, {4, png_encoder::fast}) != encoded(image, {4, png_encoder::small})));
}

BOOST_AUTO_TEST_CASE(a_higher_level_makes_a_smaller_file) {
  const auto image = block(picture(256, 256, 3), {256, 256, 3});
  const auto stored = encoded(image, {0, {}}).size();
  const auto fast = encoded(image, {4, {}}).size();
  const auto small = encoded(image, {9, {}}).size();
  BOOST_TEST(stored > 256u * 256 * 3);
  BOOST_TEST(fast < stored * 9 / 10);
  BOOST_TEST(small < fast);
}

BOOST_AUTO_TEST_CASE(ascii_is_written_as_tEXt_before_the_pixels_in_its_order) {
  const auto image = block(picture(8, 8, 3), {8, 8, 3});
  const std::string long_text(95'000, 'x');
  const auto chunks =
    read_chunks(encoded(image, {}, {{"prompt", R"({"a": "\u00e9"})"}, {"workflow", long_text}}));
  BOOST_TEST_REQUIRE(chunks.size() == 5u);
  BOOST_TEST(chunks[0].type == "IHDR");
  BOOST_TEST(chunks[1].type == "tEXt");
  BOOST_TEST(chunks[1].data == (std::string{"prompt\0", 7} + R"({"a": "\u00e9"})"));
  BOOST_TEST(chunks[2].type == "tEXt");
  BOOST_TEST((chunks[2].data == std::string{"workflow\0", 9} + long_text));
  BOOST_TEST(chunks[3].type == "IDAT");
  BOOST_TEST(chunks[4].type == "IEND");
}

BOOST_AUTO_TEST_CASE(text_beyond_ascii_is_written_as_iTXt_so_that_every_reader_takes_it_as_utf_8) {
  const auto image = block(picture(8, 8, 3), {8, 8, 3});
  const auto file = encoded(image, {}, {{"prompt", "d\u00e9codage \u732b"}});
  const auto chunks = read_chunks(file);
  BOOST_TEST(chunks[1].type == "iTXt");
  BOOST_TEST(chunks[1].data == (std::string{"prompt\0\0\0\0\0", 11} + "d\u00e9codage \u732b"));
  BOOST_TEST((read_png(file).pixels == picture(8, 8, 3)));
}

BOOST_AUTO_TEST_CASE(a_keyword_beyond_ascii_is_written_in_latin_1) {
  const auto chunks = read_chunks(encoded(block({1, 2, 3}, {1, 1, 3}), {}, {{"cl\u00e9", "x"}}));
  BOOST_TEST(chunks[1].data == (std::string{"cl\xe9\0x", 5}));
}

BOOST_AUTO_TEST_CASE(a_key_that_is_no_keyword_is_escaped_and_stands_whole_as_the_translated_one) {
  const std::string key = "\u043a\u043b\u044e\u0447";
  const auto file = encoded(block({1, 2, 3}, {1, 1, 3}), {}, {{key, "x"}});
  const auto chunks = read_chunks(file);
  BOOST_TEST(chunks[1].type == "iTXt");
  BOOST_TEST(chunks[1].data
             == "\\u043a\\u043b\\u044e\\u0447" + std::string(4, '\0') + key + '\0' + "x");
  BOOST_TEST(read_png(file).pixels.size() == 3u);
}

BOOST_AUTO_TEST_CASE(an_empty_key_is_refused) {
  const auto refused =
    encode_png(block({1, 2, 3}, {1, 1, 3}), {}, std::vector<text_chunk>{{"", "x"}});
  BOOST_TEST_REQUIRE(!refused.has_value());
  BOOST_TEST((refused.error().code == ec::bad_request));
}

BOOST_AUTO_TEST_CASE(other_types_shapes_and_levels_are_refused) {
  const std::vector<float> floats(12);
  const auto real = tensor_block::copy_of(dtype::f32, {2, 2, 3}, std::as_bytes(std::span{floats}));
  const std::vector<uint8_t> bytes(24);
  const auto bad = [](const tensor_block& image, const png_options& options = {}) {
    const auto got = encode_png(image, options, {});
    return !got.has_value() && got.error().code == ec::bad_request;
  };
  BOOST_TEST(bad(real));
  BOOST_TEST(bad(block(bytes, {4, 6})));
  BOOST_TEST(bad(block(bytes, {2, 2, 2, 3})));
  BOOST_TEST(bad(block(bytes, {4, 3, 2})));
  BOOST_TEST(bad(block({}, {0, 2, 3})));
  BOOST_TEST(bad(block(bytes, {2, 4, 3}), {10, {}}));
  BOOST_TEST(bad(block(bytes, {2, 4, 3}), {-1, {}}));
}

BOOST_AUTO_TEST_CASE(a_large_picture_of_several_threads_has_equal_pixels) {
  const auto pixels = picture(2100, 2000, 3);
  for (const auto encoder : {png_encoder::fast, png_encoder::small})
    for (const unsigned threads : {2U, 3U, 64U}) {
      png_options options{1, encoder};
      options.threads = threads;
      BOOST_TEST((read_png(encoded(block(pixels, {2100, 2000, 3}), options)).pixels == pixels));
    }
}

BOOST_AUTO_TEST_SUITE_END()
