#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "base/non_finite.hpp"
#include "models/device.hpp"
#include "models/vae/vae.hpp"
#include "models/weights/convert.hpp"
#include "support.hpp"
#include "taesd_reference.hpp"

using namespace luna;
using namespace luna::models;

namespace {

std::unique_ptr<vae> load(const std::vector<std::filesystem::path>& paths) {
  init_worker_thread(1);
  std::vector<model_file> files;
  for (auto& path : paths)
    files.push_back(test::file_of(path));
  auto facts = test::value(inspect_model(model_kind::vae, files));
  return test::value(test::load_vae(files, facts, {}, {}));
}

tensor_block encode(vae& net, const tensor_block& pixels) {
  vae_job job{pixels, {}};
  return test::value(net.encode({&job, 1}, {}).at(0)).tensor;
}

tensor_block decode(vae& net, const tensor_block& latents) {
  vae_job job{latents, {}};
  return test::value(net.decode({&job, 1}, {}).at(0)).tensor;
}

tensor_block random_pixels(int64_t height, int64_t width, uint64_t seed) {
  auto values = test::values_of(test::noise({1, height, width, 3}, seed));
  for (auto& v : values)
    v = std::clamp(v * 0.3F + 0.5F, 0.0F, 1.0F);
  return test::floats({1, height, width, 3}, values);
}

test::plain_image clamped(test::plain_image image) {
  for (auto& v : image.values)
    v = std::clamp(v, 0.0, 1.0);
  return image;
}

/// Both directions against the plain loops.
void check_against_loops(const test::tiny_autoencoder& net, vae& ours, bool folded) {
  auto pixels = random_pixels(32, 48, 5);
  auto want = net.encode(test::pixels_of(pixels));
  auto latents = test::block_of_latent(folded ? test::fold(want) : want);
  auto error = test::largest_error(encode(ours, pixels), latents);
  BOOST_CHECK_MESSAGE(error <= 2e-5, "latents are off by " << error);

  auto noise = test::noise(latents.shape(), 6, 1.5);
  auto input = test::latent_of(noise);
  auto image = test::block_of_pixels(clamped(net.decode(folded ? test::unfold(input) : input)));
  error = test::largest_error(decode(ours, noise), image);
  BOOST_CHECK_MESSAGE(error <= 2e-5, "the image is off by " << error);
}

bool same_bytes(const tensor_block& x, const tensor_block& y) {
  return x.shape() == y.shape()
      && std::memcmp(x.bytes().data(), y.bytes().data(), x.size_bytes()) == 0;
}

/// Real weights are not part of this repository.
std::filesystem::path trained_taef2() {
  auto* folder = std::getenv("LUNA_TAESD_DIR");
  return std::filesystem::path{folder == nullptr ? "" : folder} / "taef2.safetensors";
}

boost::test_tools::assertion_result trained_taef2_is_at_hand(boost::unit_test::test_unit_id) {
  if (std::filesystem::exists(trained_taef2()))
    return true;
  std::string reason = "LUNA_TAESD_DIR names no folder with taef2.safetensors";
  std::cout << "skipped: the trained TAEF2: " << reason << '\n';
  boost::test_tools::assertion_result no{false};
  no.message() << reason;
  return no;
}

} // namespace

BOOST_AUTO_TEST_SUITE(taesd_test)

BOOST_AUTO_TEST_CASE(a_joined_file_computes_what_plain_loops_compute) {
  test::temporary_folder folder;
  for (auto channels : {4, 16}) {
    auto net = test::make_autoencoder(8, channels, 1);
    test::write_joined(net, folder / "tiny.safetensors");
    auto ours = load({folder / "tiny.safetensors"});
    BOOST_TEST(ours->facts().latent_channels == channels);
    BOOST_TEST(ours->facts().downscale_ratio == 8);
    check_against_loops(net, *ours, false);
  }
}

BOOST_AUTO_TEST_CASE(half_precision_weights_are_widened) {
  test::temporary_folder folder;
  auto net = test::make_autoencoder(8, 4, 2, dtype::f16);
  test::write_joined(net, folder / "tiny.safetensors");
  check_against_loops(net, *load({folder / "tiny.safetensors"}), false);
}

BOOST_AUTO_TEST_CASE(taef2_folds_its_latents_and_runs_its_bottlenecks) {
  test::temporary_folder folder;
  auto net = test::make_autoencoder(8, 32, 3);
  test::write_joined(net, folder / "tiny.safetensors");
  auto ours = load({folder / "tiny.safetensors"});
  BOOST_TEST(ours->facts().family == "taef2");
  BOOST_TEST(ours->facts().latent_channels == 128);
  BOOST_TEST(ours->facts().upscale_ratio == 16);
  check_against_loops(net, *ours, true);
}

BOOST_AUTO_TEST_CASE(a_pair_takes_its_range_from_its_name) {
  test::temporary_folder folder;
  struct pair {
    std::string name;
    int channels;
    double scale;
    double shift;
  };
  for (auto& [name, channels, scale, shift] : {pair{"taesd", 4, 0.18215, 0},
                                               {"taesdxl", 4, 0.13025, 0},
                                               {"taesd3", 16, 1.5305, 0.0609},
                                               {"taef1", 16, 0.3611, 0.1159}}) {
    auto net = test::make_autoencoder(8, channels, 4);
    net.scale = scale;
    net.shift = shift;
    test::write_half(net.encoder, folder / (name + "_encoder.safetensors"));
    test::write_half(net.decoder, folder / (name + "_decoder.safetensors"));
    auto ours =
      load({folder / (name + "_encoder.safetensors"), folder / (name + "_decoder.safetensors")});
    BOOST_TEST(ours->facts().family == name);
    check_against_loops(net, *ours, false);
    auto swapped =
      load({folder / (name + "_decoder.safetensors"), folder / (name + "_encoder.safetensors")});
    check_against_loops(net, *swapped, false);
  }
}

BOOST_AUTO_TEST_CASE(a_joined_file_may_carry_its_range) {
  test::temporary_folder folder;
  auto net = test::make_autoencoder(8, 4, 7);
  net.scale = 0.5;
  net.shift = 0.25;
  test::write_joined(
    net, folder / "taesd.safetensors",
    {{"vae_scale", test::floats({}, {0.5F})}, {"vae_shift", test::floats({1}, {0.25F})}});
  check_against_loops(net, *load({folder / "taesd.safetensors"}), false);
}

BOOST_AUTO_TEST_CASE(images_are_cropped_to_their_centre_and_alpha_is_dropped) {
  test::temporary_folder folder;
  test::write_joined(test::make_autoencoder(8, 32, 8), folder / "tiny.safetensors");
  auto ours = load({folder / "tiny.safetensors"});
  auto whole = test::pattern_image(75, 90, 4, 3); // multiples of 16: 64 and 80; 5 and 5 are cut off
  std::vector<std::byte> cut;
  for (int64_t y = 5; y < 69; ++y)
    for (int64_t x = 5; x < 85; ++x) {
      auto pixel = whole.bytes().subspan(static_cast<size_t>((y * 90 + x) * 4), 3);
      cut.insert(cut.end(), pixel.begin(), pixel.end());
    }
  auto centre = tensor_block::copy_of(dtype::u8, {64, 80, 3}, cut);
  auto latents = encode(*ours, whole);
  BOOST_TEST(latents.shape() == (std::vector<int64_t>{1, 128, 4, 5}));
  BOOST_TEST(same_bytes(latents, encode(*ours, centre)));
}

BOOST_AUTO_TEST_CASE(bytes_and_numbers_of_one_image_give_the_same_latents) {
  test::temporary_folder folder;
  test::write_joined(test::make_autoencoder(8, 4, 9), folder / "tiny.safetensors");
  auto ours = load({folder / "tiny.safetensors"});
  auto bytes = test::pattern_image(24, 40, 3, 1);
  std::vector<float> numbers;
  for (auto byte : bytes.as<uint8_t>())
    numbers.push_back(static_cast<float>(byte) / 255.0F);
  BOOST_TEST(
    same_bytes(encode(*ours, bytes), encode(*ours, test::floats({1, 24, 40, 3}, numbers))));
}

BOOST_AUTO_TEST_CASE(a_latent_with_frames_takes_the_first) {
  test::temporary_folder folder;
  test::write_joined(test::make_autoencoder(8, 4, 10), folder / "tiny.safetensors");
  auto ours = load({folder / "tiny.safetensors"});
  auto video = test::noise({1, 4, 3, 2, 5}, 11);
  std::vector<float> first;
  auto all = test::values_of(video);
  for (size_t c = 0; c < 4; ++c)
    first.insert(first.end(), all.begin() + static_cast<std::ptrdiff_t>(c * 30),
                 all.begin() + static_cast<std::ptrdiff_t>(c * 30 + 10));
  BOOST_TEST(same_bytes(decode(*ours, video), decode(*ours, test::floats({1, 4, 2, 5}, first))));
}

BOOST_AUTO_TEST_CASE(what_else_is_in_the_batch_changes_nothing) {
  test::temporary_folder folder;
  test::write_joined(test::make_autoencoder(8, 4, 12), folder / "tiny.safetensors");
  auto ours = load({folder / "tiny.safetensors"});
  auto batch = test::noise({3, 4, 6, 7}, 13);
  std::vector<vae_job> jobs{{batch, {}}, {test::noise({1, 4, 2, 2}, 14), {}}};
  auto together = ours->decode(jobs, {});
  auto images = together[0].value().tensor;
  auto values = test::values_of(batch);
  for (size_t i = 0; i < 3; ++i) {
    std::vector<float> one(values.begin() + static_cast<std::ptrdiff_t>(i * 168),
                           values.begin() + static_cast<std::ptrdiff_t>((i + 1) * 168));
    auto alone = decode(*ours, test::floats({1, 4, 6, 7}, one));
    auto part = images.bytes().subspan(i * alone.size_bytes(), alone.size_bytes());
    BOOST_TEST(std::memcmp(part.data(), alone.bytes().data(), alone.size_bytes()) == 0);
  }
  BOOST_TEST(same_bytes(together[1].value().tensor, decode(*ours, jobs[1].input)));
}

BOOST_AUTO_TEST_CASE(a_result_that_is_not_finite_is_told_with_its_count_and_where_it_came_from) {
  test::temporary_folder folder;
  test::write_joined(test::make_autoencoder(8, 4, 21), folder / "tiny.safetensors");
  auto ours = load({folder / "tiny.safetensors"});
  auto check = [](const vae_output& got, std::string_view cause) {
    BOOST_REQUIRE_EQUAL(got.warnings.size(), 1U);
    BOOST_TEST(got.warnings[0].code == "non_finite");
    BOOST_TEST(got.warnings[0].count > 0U);
    BOOST_CHECK_MESSAGE(got.warnings[0].message.find(cause) != std::string::npos,
                        got.warnings[0].message);
  };
  auto numbers = test::values_of(test::noise({2, 4, 4, 4}, 22));
  numbers[70] = NAN; // in the second image
  vae_job latents{test::floats({2, 4, 4, 4}, numbers), {}};
  check(test::value(ours->decode({&latents, 1}, {}).at(0)), "1 values of the latents that came in");
  latents.tiling = {tiling_mode::on, tiling_method::automatic, 4, 4, 0};
  check(test::value(ours->decode({&latents, 1}, {}).at(0)), "1 values of the latents that came in");
  std::vector<float> colours(size_t{16} * 16 * 3, 0.5F);
  colours[100] = INFINITY;
  vae_job pixels{test::floats({1, 16, 16, 3}, colours), {}};
  check(test::value(ours->encode({&pixels, 1}, {}).at(0)), "1 values of the pixels that came in");
  vae_job fine{test::noise({1, 4, 4, 4}, 23), {}};
  BOOST_TEST(test::value(ours->decode({&fine, 1}, {}).at(0)).warnings.empty());
}

BOOST_AUTO_TEST_CASE(infinities_are_counted_before_they_are_clamped_to_white) {
  test::temporary_folder folder;
  auto net = test::make_autoencoder(8, 4, 24);
  net.decoder.back().tensor = test::floats({3}, {INFINITY, 0, 0});
  BOOST_REQUIRE(net.decoder.back().name == "19.bias");
  test::write_joined(net, folder / "tiny.safetensors");
  auto ours = load({folder / "tiny.safetensors"});
  vae_job job{test::noise({1, 4, 4, 4}, 25), {}};
  auto got = test::value(ours->decode({&job, 1}, {}).at(0));
  BOOST_REQUIRE_EQUAL(got.warnings.size(), 1U);
  BOOST_TEST(got.warnings[0].count == 32U * 32U);
  BOOST_TEST(got.warnings[0].message.find("this VAE does not belong") != std::string::npos);
  BOOST_TEST(count_non_finite(got.tensor) == 0U);
}

BOOST_AUTO_TEST_CASE(a_stop_ends_the_work_between_two_layers) {
  test::temporary_folder folder;
  test::write_joined(test::make_autoencoder(8, 4, 15), folder / "tiny.safetensors");
  auto ours = load({folder / "tiny.safetensors"});
  std::stop_source stop;
  uint64_t last = 0;
  run_context context;
  context.stop = stop.get_token();
  context.progress = [&](std::string_view stage, uint64_t value, uint64_t max) {
    BOOST_TEST(stage == "decode");
    BOOST_TEST(max == 15U);
    last = value;
    if (value == 4)
      stop.request_stop();
  };
  std::vector<vae_job> jobs{{test::noise({1, 4, 4, 4}, 16), {}},
                            {test::noise({1, 4, 4, 4}, 17), {}}};
  auto got = ours->decode(jobs, context);
  BOOST_TEST(last == 4U);
  for (auto& x : got)
    BOOST_TEST((!x && x.error().code == ec::cancelled));
}

BOOST_AUTO_TEST_CASE(the_trained_taef2_equals_comfyui,
                     *boost::unit_test::precondition(trained_taef2_is_at_hand)) {
  auto golden = test::read_golden(LUNA_TEST_DATA "/models/golden_taef2.safetensors");
  auto ours = load({trained_taef2()});
  double worst_latent = 0;
  auto check_latent = [&](const tensor_block& got, const tensor_block& want) {
    BOOST_REQUIRE(got.shape() == want.shape());
    auto x = got.as<float>();
    auto y = want.as<float>();
    for (size_t i = 0; i < x.size(); ++i)
      worst_latent = std::max(worst_latent, std::abs(static_cast<double>(x[i]) - y[i])
                                              / (1e-4 + 1e-4 * std::abs(y[i])));
  };
  auto photo = golden.at("photo.u8");
  check_latent(encode(*ours, photo), golden.at("photo.latent"));
  check_latent(encode(*ours, test::pattern_image(64, 80, 3, 4)), golden.at("pattern.latent"));
  auto image = decode(*ours, golden.at("photo.latent"));
  auto image_error = test::largest_error(image, golden.at("photo.image"));
  auto noise = test::values_of(decode(*ours, golden.at("noise.latent")));
  std::vector<float> every_second;
  for (size_t y = 0; y < 80; y += 2)
    for (size_t x = 0; x < 112; x += 2)
      for (size_t c = 0; c < 3; ++c)
        every_second.push_back(noise[(y * 112 + x) * 3 + c]);
  auto noise_error =
    test::largest_error(test::floats({1, 40, 56, 3}, every_second), golden.at("noise.image_s2"));
  std::cout << "taef2: largest error of images " << std::max(image_error, noise_error)
            << " (tolerance 1e-4), of latents " << worst_latent << " of the tolerance\n";
  BOOST_TEST(worst_latent <= 1.0);
  BOOST_TEST(image_error <= 1e-4);
  BOOST_TEST(noise_error <= 1e-4);
}

BOOST_AUTO_TEST_SUITE_END()
