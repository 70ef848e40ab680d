#include <OpenImageIO/filesystem.h>
#include <OpenImageIO/imageio.h>
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstring>
#include <jxl/decode.h>
#include <jxl/encode.h>
#include <memory>
#include <webp/decode.h>

#include "imaging/jpeg.hpp"
#include "imaging/picture_file.hpp"
#include "tests/unit/imaging/read_exif.hpp"
#include "tests/unit/imaging/read_png.hpp"
#include "tests/unit/why.hpp"

using namespace luna;
using namespace luna::imaging;
using luna::imaging::testing::exif_reader;

namespace {

using bytes = std::vector<std::byte>;

constexpr int64_t height = 46;
constexpr int64_t width = 70;

/// A smooth picture, which lossy formats keep well.
tensor_block picture(int64_t channels, dtype type = dtype::u8) {
  std::vector<uint8_t> small;
  std::vector<float> floats;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int64_t k = 0; k < channels; ++k) {
        const double value = 0.5 + 0.3 * std::sin(0.05 * static_cast<double>(x * (k + 1)))
                           + 0.15 * std::cos(0.07 * static_cast<double>(y));
        floats.push_back(static_cast<float>(value));
        small.push_back(static_cast<uint8_t>(255 * floats.back()));
      }
  const std::vector<int64_t> shape = {height, width, channels};
  return type == dtype::f32 ? tensor_block::copy_of(type, shape, std::as_bytes(std::span{floats}))
                            : tensor_block::copy_of(type, shape, std::as_bytes(std::span{small}));
}

const picture_text text = {{{"prompt", "{\"p\": 1}"}, {"workflow", "{\"w\": 2}"}, {"key", "value"}},
                           {{"prompt", "{\"p\": 1}"}, {"workflow", "{\"w\": 2}"}, {"key", "value"}},
                           "a comment",
                           "2026:11:22 10:00:00"};

picture_bytes encoded(image_format format, const tensor_block& image,
                      const encoder_options& options = {}, const picture_text& with = text) {
  auto file = encode_picture(format, options, with, image);
  BOOST_TEST_REQUIRE(file.has_value(), luna::testing::why(file));
  return std::move(*file);
}

template <class T>
struct read_image {
  OIIO::ImageSpec spec;
  std::vector<T> pixels;
};

/// Reads a file back with OpenImageIO.
template <class T = uint8_t>
read_image<T> read_back(const bytes& file, const std::string& extension) {
  OIIO::Filesystem::IOMemReader memory{const_cast<std::byte*>(file.data()), file.size()};
  OIIO::ImageSpec config;
  config.attribute("oiio:UnassociatedAlpha", 1);
  OIIO::Filesystem::IOProxy* proxy = &memory;
  config.attribute("oiio:ioproxy", OIIO::TypeDesc::PTR, &proxy);
  auto input = OIIO::ImageInput::open("picture." + extension, &config);
  BOOST_TEST_REQUIRE(!!input, OIIO::geterror());
  read_image<T> out{input->spec(), {}};
  out.pixels.resize(out.spec.image_pixels() * static_cast<size_t>(out.spec.nchannels));
  BOOST_TEST_REQUIRE(
    input->read_image(0, 0, 0, -1, OIIO::BaseTypeFromC<T>::value, out.pixels.data()));
  return out;
}

double largest_difference(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  BOOST_TEST_REQUIRE(a.size() == b.size());
  int worst = 0;
  for (size_t i = 0; i < a.size(); ++i)
    worst = std::max(worst, std::abs(int{a[i]} - int{b[i]}));
  return worst;
}

double mean_difference(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  BOOST_TEST_REQUIRE(a.size() == b.size());
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += std::abs(int{a[i]} - int{b[i]});
  return sum / static_cast<double>(a.size());
}

/// The data of the first chunk or segment that begins behind this mark.
size_t find(const bytes& file, std::string_view mark) {
  const std::string_view all{reinterpret_cast<const char*>(file.data()), file.size()};
  const auto at = all.find(mark);
  BOOST_TEST_REQUIRE(at != std::string_view::npos);
  return at + mark.size();
}

size_t number(const bytes& file, size_t at, size_t n, bool big = false) {
  size_t x = 0;
  for (size_t i = 0; i < n; ++i)
    x |= static_cast<size_t>(file.at(at + i)) << 8 * (big ? n - 1 - i : i);
  return x;
}

std::span<const std::byte> part(const bytes& file, size_t at, size_t n) {
  return std::span{file}.subspan(at, n);
}

void expect_texts(std::span<const std::byte> block) {
  const exif_reader got{block};
  BOOST_TEST(got.texts.size() == 3u);
  for (const auto& [key, value] : text.exif)
    BOOST_TEST(got.texts.at(key) == value);
  BOOST_TEST(got.comment_utf16.size() == 2 * text.comment.size());
}

std::vector<uint8_t> read_jxl(const bytes& file, uint32_t channels) {
  auto* decoder = JxlDecoderCreate(nullptr);
  JxlDecoderSubscribeEvents(decoder, JXL_DEC_FULL_IMAGE);
  JxlDecoderSetInput(decoder, reinterpret_cast<const uint8_t*>(file.data()), file.size());
  JxlDecoderCloseInput(decoder);
  std::vector<uint8_t> pixels(static_cast<size_t>(height * width) * channels);
  const JxlPixelFormat format{channels, JXL_TYPE_UINT8, JXL_NATIVE_ENDIAN, 0};
  auto status = JxlDecoderProcessInput(decoder);
  BOOST_TEST_REQUIRE(status == JXL_DEC_NEED_IMAGE_OUT_BUFFER);
  JxlDecoderSetImageOutBuffer(decoder, &format, pixels.data(), pixels.size());
  status = JxlDecoderProcessInput(decoder);
  JxlDecoderDestroy(decoder);
  BOOST_TEST(status == JXL_DEC_FULL_IMAGE);
  return pixels;
}

} // namespace

BOOST_AUTO_TEST_SUITE(picture_file_test)

BOOST_AUTO_TEST_CASE(lossless_webp_gives_equal_pixels_back_and_lossy_near_ones) {
  const auto image = picture(3);
  const auto exact = read_back(encoded(image_format::webp, image, {{}, 8, 90, true}).file, "webp");
  BOOST_TEST(largest_difference(exact.pixels, image.as<uint8_t>()) == 0);
  const auto near = read_back(encoded(image_format::webp, image).file, "webp");
  BOOST_TEST(largest_difference(near.pixels, image.as<uint8_t>()) < 12);
}

BOOST_AUTO_TEST_CASE(webp_keeps_alpha_and_makes_colour_of_grey) {
  const auto rgba = encoded(image_format::webp, picture(4), {{}, 8, 90, true}).file;
  int w = 0, h = 0; // by libwebp: OpenImageIO multiplies with alpha
  auto* pixels = WebPDecodeRGBA(reinterpret_cast<const uint8_t*>(rgba.data()), rgba.size(), &w, &h);
  BOOST_TEST_REQUIRE((pixels != nullptr && w == width && h == height));
  BOOST_TEST(largest_difference({pixels, static_cast<size_t>(w * h * 4)}, picture(4).as<uint8_t>())
             == 0);
  WebPFree(pixels);
  const auto grey =
    read_back(encoded(image_format::webp, picture(1), {{}, 8, 90, true}).file, "webp");
  BOOST_TEST_REQUIRE(grey.spec.nchannels == 3);
  BOOST_TEST(grey.pixels[3 * 55 + 1] == picture(1).as<uint8_t>()[55]);
}

BOOST_AUTO_TEST_CASE(webp_holds_exif_in_a_chunk_of_even_size) {
  const auto file = encoded(image_format::webp, picture(3)).file;
  const auto at = find(file, "EXIF");
  const auto size = number(file, at, 4);
  BOOST_TEST(size % 2 == 0u);
  expect_texts(part(file, at + 4, size));
  const auto bare = encoded(image_format::webp, picture(3), {}, {}).file;
  const std::string_view all{reinterpret_cast<const char*>(bare.data()), bare.size()};
  BOOST_TEST(all.find("EXIF") == std::string_view::npos);
}

BOOST_AUTO_TEST_CASE(jpeg_gives_near_pixels_back_drops_alpha_and_keeps_grey) {
  const auto rgb = read_back(encoded(image_format::jpeg, picture(3)).file, "jpg");
  BOOST_TEST(largest_difference(rgb.pixels, picture(3).as<uint8_t>()) < 12);
  const auto rgba = read_back(encoded(image_format::jpeg, picture(4)).file, "jpg");
  BOOST_TEST((rgba.pixels == rgb.pixels));
  const auto grey = read_back(encoded(image_format::jpeg, picture(1)).file, "jpg");
  BOOST_TEST(grey.spec.nchannels == 1);
  BOOST_TEST(largest_difference(grey.pixels, picture(1).as<uint8_t>()) < 12);
}

BOOST_AUTO_TEST_CASE(jpeg_holds_exif_in_its_first_own_segment) {
  const auto file = encoded(image_format::jpeg, picture(3)).file;
  BOOST_TEST(number(file, 0, 2, true) == 0xffd8u);
  const auto at = find(file, std::string_view{"Exif\0\0", 6});
  const auto length = number(file, at - 8, 2, true);
  BOOST_TEST(number(file, at - 10, 2, true) == 0xffe1u);
  expect_texts(part(file, at, length - 8));
}

BOOST_AUTO_TEST_CASE(a_jpeg_says_what_had_no_room) {
  auto large = text;
  large.exif[1].text = std::string(70000, 'w');
  const auto file = encoded(image_format::jpeg, picture(3), {}, large);
  BOOST_TEST(file.left_out == std::vector<std::string>{"workflow"},
             boost::test_tools::per_element());
  BOOST_TEST(read_back(file.file, "jpg").spec.width == width);
  auto whole = large;
  whole.exif[1].text.resize(60000);
  BOOST_TEST(encoded(image_format::jpeg, picture(3), {}, whole).left_out.empty());
}

BOOST_AUTO_TEST_CASE(webp_takes_a_workflow_of_five_megabytes) {
  auto large = text;
  large.exif[1].text = std::string(5 << 20, 'w');
  const auto file = encoded(image_format::webp, picture(3), {}, large).file;
  const auto at = find(file, "EXIF");
  const exif_reader got{part(file, at + 4, number(file, at, 4))};
  BOOST_TEST(got.texts.at("workflow").size() == size_t{5} << 20);
}

BOOST_AUTO_TEST_CASE(avif_gives_near_pixels_back_and_holds_exif) {
  for (const int64_t channels : {1, 3, 4}) {
    const auto file = encoded(image_format::avif, picture(channels)).file;
    const auto at = find(file, std::string_view{"II\x2a\0", 4}) - 4;
    expect_texts(std::span{file}.subspan(at));
    BOOST_TEST(number(file, 8, 4, true) == 0x61766966u); // the major brand: "avif"
  }
}

BOOST_AUTO_TEST_CASE(jxl_of_quality_100_is_lossless_and_holds_exif) {
  for (const int64_t channels : {1, 3, 4}) {
    const auto image = picture(channels);
    const auto file = encoded(image_format::jxl, image, {{}, 8, 100, false}).file;
    BOOST_TEST(
      largest_difference(read_jxl(file, static_cast<uint32_t>(channels)), image.as<uint8_t>())
      == 0);
    const auto at = find(file, "Exif");
    const auto size = number(file, at - 8, 4, true);
    expect_texts(part(file, at + 4, size - 12));
    const auto near = encoded(image_format::jxl, image).file;
    BOOST_TEST(mean_difference(read_jxl(near, static_cast<uint32_t>(channels)), image.as<uint8_t>())
               < 2);
  }
}

void expect_tiff(int64_t channels) {
  const auto small = read_back(encoded(image_format::tiff, picture(channels)).file, "tif");
  BOOST_TEST(small.spec.format == OIIO::TypeDesc::UINT8);
  BOOST_TEST(largest_difference(small.pixels, picture(channels).as<uint8_t>()) == 0);
  const auto image = picture(channels, dtype::f32);
  const auto deep =
    read_back<uint16_t>(encoded(image_format::tiff, image, {{}, 16, 90, false}).file, "tif");
  BOOST_TEST(deep.spec.format == OIIO::TypeDesc::UINT16);
  const auto floats = image.as<float>();
  for (size_t i = 0; i < floats.size(); ++i)
    BOOST_TEST_REQUIRE(deep.pixels[i] == static_cast<uint16_t>(65535.0F * floats[i]));
  BOOST_TEST(deep.spec["Model"].get<std::string>() == "prompt:{\"p\": 1}");
  BOOST_TEST(deep.spec["Make"].get<std::string>() == "workflow:{\"w\": 2}");
  BOOST_TEST(deep.spec["ImageDescription"].get<std::string>() == "key:value");
}

BOOST_AUTO_TEST_CASE(tiff_of_8_and_16_bits_gives_equal_pixels_back) {
  for (const int64_t channels : {1, 3, 4})
    expect_tiff(channels);
}

BOOST_AUTO_TEST_CASE(exr_keeps_floats_as_they_are_and_texts_by_name) {
  const auto image = picture(3, dtype::f32);
  auto with = text;
  with.chunks.push_back({"compression", "not one"});
  const auto got = read_back<float>(encoded(image_format::exr, image, {}, with).file, "exr");
  BOOST_TEST(got.spec.format == OIIO::TypeDesc::FLOAT);
  const auto want = image.as<float>();
  BOOST_TEST(std::equal(want.begin(), want.end(), got.pixels.begin(), got.pixels.end()));
  BOOST_TEST(got.spec["prompt"].get<std::string>() == "{\"p\": 1}");
  BOOST_TEST(got.spec["workflow"].get<std::string>() == "{\"w\": 2}");
  BOOST_TEST(got.spec["luna:key"].get<std::string>() == "value");
  BOOST_TEST(got.spec["compression"].get<std::string>() == "zip");
}

void expect_deep_png(int64_t channels) {
  const auto image = picture(channels, dtype::f32);
  for (const auto encoder : {png_encoder::fast, png_encoder::small}) {
    encoder_options options{{4, encoder}, 16, 90, false};
    const auto got = read_back<uint16_t>(encoded(image_format::png, image, options).file, "png");
    BOOST_TEST(got.spec.format == OIIO::TypeDesc::UINT16);
    const auto floats = image.as<float>();
    for (size_t i = 0; i < floats.size(); ++i)
      BOOST_TEST_REQUIRE(got.pixels[i] == static_cast<uint16_t>(65535.0F * floats[i]));
  }
}

BOOST_AUTO_TEST_CASE(png_of_16_bits_gives_equal_pixels_back) {
  for (const int64_t channels : {1, 3, 4})
    expect_deep_png(channels);
}

BOOST_AUTO_TEST_CASE(sixteen_bits_of_a_picture_of_eight_are_its_own) {
  const auto image = picture(3);
  const auto got =
    read_back<uint16_t>(encoded(image_format::png, image, {{}, 16, 90, false}).file, "png");
  for (size_t i = 0; i < got.pixels.size(); ++i)
    BOOST_TEST_REQUIRE(got.pixels[i] == image.as<uint8_t>()[i] * 257);
}

BOOST_AUTO_TEST_CASE(pixels_are_kept_in_eight_bits_unless_the_file_holds_more) {
  const auto image = picture(3, dtype::f32);
  const encoder_options deep{{}, 16, 90, false};
  for (const auto format : {image_format::png, image_format::tiff}) {
    BOOST_TEST((pixels_to_keep(format, {}, image).pixels.type() == dtype::u8));
    BOOST_TEST((pixels_to_keep(format, deep, image).pixels.type() == dtype::f32));
  }
  BOOST_TEST((pixels_to_keep(image_format::exr, {}, image).pixels.type() == dtype::f32));
  BOOST_TEST((pixels_to_keep(image_format::webp, deep, image).pixels.type() == dtype::u8));
}

BOOST_AUTO_TEST_CASE(the_date_in_a_file_is_the_jobs) {
  for (const auto format : {image_format::tiff, image_format::exr}) {
    const auto file = encoded(format, picture(3, dtype::f32)).file;
    const auto got = read_back<float>(file, std::string{extension_of(format)});
    BOOST_TEST(got.spec["DateTime"].get<std::string>() == text.date);
  }
}

BOOST_AUTO_TEST_CASE(a_picture_that_a_format_cannot_hold_is_refused_by_name) {
  const std::vector<std::byte> row(3 * 16384);
  const auto wide = tensor_block::copy_of(dtype::u8, {1, 16384, 3}, row);
  const auto got = encode_picture(image_format::webp, {}, {}, wide);
  BOOST_TEST_REQUIRE(!got.has_value());
  BOOST_TEST((got.error().code == ec::bad_request));
  BOOST_TEST(got.error().message
             == "a picture of 16384 x 1 pixels is too large for WebP, whose sides have at most "
                "16383: save it as PNG");
}

BOOST_AUTO_TEST_CASE(the_largest_sides_are_those_of_the_encoders) {
  const auto fits = [](image_format format, int64_t high, int64_t wide, int64_t channels = 3,
                       const encoder_options& options = {}) {
    return check_sides(format, options, {1, high, wide, channels}).has_value();
  };
  struct bound {
    image_format format;
    int64_t side;
  };
  for (const auto& [format, side] : {bound{image_format::png, INT32_MAX / 16},
                                     {image_format::webp, 16383},
                                     {image_format::jpeg, 65500},
                                     {image_format::avif, 65536},
                                     {image_format::jxl, int64_t{1} << 30}}) {
    BOOST_TEST(fits(format, 1, side));
    BOOST_TEST(fits(format, side, 1));
    BOOST_TEST(!fits(format, 1, side + 1));
    BOOST_TEST(!fits(format, side + 1, 1));
  }
  BOOST_TEST(fits(image_format::jxl, 1024, int64_t{1} << 30));
  BOOST_TEST(!fits(image_format::jxl, 1025, int64_t{1} << 30));
  // Rows and blocks of rows that an int can count.
  const encoder_options deep{{}, 16, 90, false};
  BOOST_TEST(fits(image_format::tiff, 1, INT32_MAX / 3));
  BOOST_TEST(!fits(image_format::tiff, 1, INT32_MAX / 3 + 1));
  BOOST_TEST(!fits(image_format::tiff, 1, INT32_MAX / 3, 3, deep));
  BOOST_TEST(fits(image_format::exr, 1, INT32_MAX / 16, 4));
  BOOST_TEST(!fits(image_format::exr, 1, INT32_MAX / 16 + 1, 4));
  BOOST_TEST(fits(image_format::exr, 100, INT32_MAX / 16 / 16, 4));
  BOOST_TEST(!fits(image_format::exr, 100, INT32_MAX / 16 / 16 + 1, 4));
}

BOOST_AUTO_TEST_CASE(libjxl_has_the_bounds_that_we_refuse_by) {
  const auto takes = [](uint32_t wide, uint32_t high) {
    const std::unique_ptr<JxlEncoder, void (*)(JxlEncoder*)> encoder{JxlEncoderCreate(nullptr),
                                                                     JxlEncoderDestroy};
    JxlBasicInfo info;
    JxlEncoderInitBasicInfo(&info);
    info.xsize = wide;
    info.ysize = high;
    return JxlEncoderSetBasicInfo(encoder.get(), &info) == JXL_ENC_SUCCESS;
  };
  BOOST_TEST(takes(1U << 30, 1U << 10));
  BOOST_TEST(!takes((1U << 30) + 1, 1));
  BOOST_TEST(!takes(1U << 30, (1U << 10) + 1));
}

BOOST_AUTO_TEST_CASE(a_key_beyond_latin_1_is_in_every_format) {
  const std::string key = "\u043a\u043b\u044e\u0447";
  const std::string escaped = "\\u043a\\u043b\\u044e\\u0447";
  picture_text with = text;
  with.chunks.push_back({key, "\u732b"});
  with.exif.push_back({key, "\u732b"});
  for (const auto format :
       {image_format::png, image_format::webp, image_format::jpeg, image_format::avif,
        image_format::jxl, image_format::tiff, image_format::exr}) {
    const auto got =
      encoded(format, picture(3, format == image_format::exr ? dtype::f32 : dtype::u8), {}, with);
    const std::string_view file{reinterpret_cast<const char*>(got.file.data()), got.file.size()};
    const bool plain = file.find(key) != file.npos;
    BOOST_TEST((format == image_format::exr ? file.find("luna:" + escaped) != file.npos : plain),
               extension_of(format));
    BOOST_TEST(got.left_out.empty());
  }
}

BOOST_AUTO_TEST_CASE(the_longest_name_of_an_attribute_is_written) {
  picture_text with = text;
  const std::string key(250, 'k');
  with.chunks.push_back({key, "found"});
  with.chunks.push_back({key + "k", "never"});
  const auto got =
    read_back<float>(encoded(image_format::exr, picture(3, dtype::f32), {}, with).file, "exr");
  BOOST_TEST(got.spec["luna:" + key].get<std::string>() == "found");
}

BOOST_AUTO_TEST_SUITE_END()
