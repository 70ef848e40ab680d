#include <boost/test/unit_test.hpp>

#include "models/family.hpp"
#include "models/vae/taesd_layout.hpp"
#include "models/vae/vae_job.hpp"
#include "support.hpp"

using namespace luna;
using namespace luna::models;

namespace {

model_facts taef2_facts() {
  model_facts facts;
  facts.kind = model_kind::vae;
  facts.family = "taef2";
  facts.latent_channels = 128;
  facts.downscale_ratio = 16;
  facts.upscale_ratio = 16;
  facts.output_channels = 3;
  facts.served_by = &taesd_family;
  facts.own = taesd_facts{64, 32, 2};
  return facts;
}

constexpr auto encode = vae_direction::encode;
constexpr auto decode = vae_direction::decode;

tensor_block zeros(std::vector<int64_t> shape) {
  return test::floats(shape, std::vector<float>(element_count(shape).value()));
}

ec code(vae_direction direction, const tensor_block& input, const vae_tiling& tiling = {}) {
  auto got = check_vae_job(taef2_facts(), direction, {input, tiling});
  return got ? ec::none : got.error().code;
}

ec tiling_code(vae_direction direction, int width, int height, int overlap) {
  auto got = resolve_tiling(taef2_facts(), direction,
                            {tiling_mode::on, tiling_method::automatic, width, height, overlap});
  return got ? ec::none : got.error().code;
}

} // namespace

BOOST_AUTO_TEST_SUITE(vae_job_test)

BOOST_AUTO_TEST_CASE(images_of_every_allowed_shape_pass) {
  BOOST_TEST((code(encode, zeros({1, 16, 16, 3})) == ec::none));
  BOOST_TEST((code(encode, zeros({16, 17, 4})) == ec::none));
  BOOST_TEST((code(encode, test::pattern_image(20, 20, 3, 0)) == ec::none));
  BOOST_TEST((code(decode, zeros({2, 128, 1, 1})) == ec::none));
  BOOST_TEST((code(decode, zeros({1, 128, 3, 2, 2})) == ec::none));
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused) {
  BOOST_TEST((code(encode, zeros({16, 16})) == ec::bad_request));
  BOOST_TEST((code(encode, zeros({1, 1, 16, 16, 3})) == ec::bad_request));
  BOOST_TEST((code(encode, zeros({1, 16, 16, 2})) == ec::bad_request));
  BOOST_TEST((code(encode, zeros({1, 15, 16, 3})) == ec::bad_request));
  BOOST_TEST((code(encode, zeros({0, 16, 16, 3})) == ec::bad_request));
  BOOST_TEST((code(decode, zeros({1, 128, 0, 2})) == ec::bad_request));
  BOOST_TEST((code(decode, zeros({1, 128, 0, 2, 2})) == ec::bad_request));
  BOOST_TEST((code(decode, zeros({128, 2, 2})) == ec::bad_request));
  BOOST_TEST((code(decode, zeros({1, 128, 5000, 1})) == ec::bad_request));
  BOOST_TEST((code(decode, zeros({1, 16, 2, 2})) == ec::model_mismatch));
  auto bytes = tensor_block::copy_of(dtype::u8, {1, 128, 1, 1}, std::vector<std::byte>(128));
  BOOST_TEST((code(decode, bytes) == ec::bad_request));
}

BOOST_AUTO_TEST_CASE(results_have_the_announced_shapes) {
  auto shape = [](vae_direction direction, std::vector<int64_t> input) {
    return vae_output_shape(taef2_facts(), direction, input);
  };
  BOOST_TEST(shape(encode, {72, 88, 3}) == (std::vector<int64_t>{1, 128, 4, 5}));
  BOOST_TEST(shape(encode, {2, 64, 80, 4}) == (std::vector<int64_t>{2, 128, 4, 5}));
  BOOST_TEST(shape(decode, {2, 128, 4, 5}) == (std::vector<int64_t>{2, 64, 80, 3}));
  BOOST_TEST(shape(decode, {2, 128, 7, 4, 5}) == (std::vector<int64_t>{2, 64, 80, 3}));
}

BOOST_AUTO_TEST_CASE(tiling_takes_comfyuis_defaults_and_refuses_cuts_between_latents) {
  auto of = [](vae_direction direction) {
    return test::value(resolve_tiling(taef2_facts(), direction, {}));
  };
  BOOST_TEST(of(encode).tile_width == 512);
  BOOST_TEST(of(encode).overlap == 64);
  BOOST_TEST(of(decode).tile_height == 64);
  BOOST_TEST(of(decode).overlap == 16);
  BOOST_TEST((tiling_code(encode, 64, 96, 16) == ec::none));
  BOOST_TEST((tiling_code(encode, 72, 64, 16) == ec::bad_request));
  BOOST_TEST((tiling_code(encode, 64, 64, 8) == ec::bad_request));
  BOOST_TEST(
    (tiling_code(encode, 64, 64, 32) == ec::bad_request)); // half of the tile: no step left
  BOOST_TEST((tiling_code(decode, 8, 8, 3) == ec::none));
  BOOST_TEST((tiling_code(decode, 7, 8, 2) == ec::bad_request));
  BOOST_TEST((tiling_code(decode, 2, 8, 0) == ec::bad_request));
  BOOST_TEST((tiling_code(decode, -8, 8, 0) == ec::bad_request));
  BOOST_TEST((tiling_code(decode, 1 << 20, 8, 0) == ec::bad_request));
  // A small tile shrinks the default overlap as ComfyUI's node does.
  auto small =
    test::value(resolve_tiling(taef2_facts(), decode, {tiling_mode::on, {}, 16, 16, -1}));
  BOOST_TEST(small.overlap == 4);
}

BOOST_AUTO_TEST_CASE(the_exact_method_is_refused_until_it_is_built) {
  vae_tiling tiling;
  tiling.method = tiling_method::exact;
  BOOST_TEST((code(decode, zeros({1, 128, 1, 1}), tiling) == ec::bad_request));
}

BOOST_AUTO_TEST_CASE(tiles_need_less_memory_than_a_large_image) {
  vae_job job{zeros({1, 128, 128, 128}), {}};
  auto whole = estimate_working_bytes(taef2_facts(), decode, job);
  job.tiling.mode = tiling_mode::on;
  auto tiled = estimate_working_bytes(taef2_facts(), decode, job);
  BOOST_TEST(tiled < whole / 2);
  BOOST_TEST(tiled > uint64_t{2048} * 2048 * 3 * 4); // the result itself
}

BOOST_AUTO_TEST_SUITE_END()
