#include <ATen/ops/ones.h>
#include <boost/test/unit_test.hpp>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>

#include "models/device.hpp"
#include "models/vae/taesd_layout.hpp"
#include "models/vae/tiling.hpp"
#include "models/vae/vae_net.hpp"
#include "models/weights/tensors.hpp"
#include "support.hpp"
#include "taesd_reference.hpp"

using namespace luna;
using namespace luna::models;

namespace {

struct sides {
  int64_t height;
  int64_t width;
};

/// ComfyUI's blend, written from its description with plain loops: positions every (tile -
/// overlap), the last one moved inside; weights (t + 1) / feather from both ends of each axis; sum
/// of weighted tiles over sum of weights. The net of this test repeats every pixel `up` times in
/// both directions and adds the tile's number of rows and columns, so that it matters which tile a
/// pixel came from.
std::vector<double> blend(const std::vector<float>& image, sides size, sides tile, int64_t overlap,
                          int64_t up) {
  auto height = size.height * up;
  auto width = size.width * up;
  std::vector<double> sum(static_cast<size_t>(height * width));
  std::vector<double> weights(sum.size());
  auto positions = [&](int64_t length, int64_t part) {
    std::vector<int64_t> all;
    if (length <= part)
      return std::vector<int64_t>{0};
    for (int64_t at = 0; at < length - overlap; at += part - overlap)
      all.push_back(std::min(at, length - overlap));
    return all;
  };
  auto ramp = [&](int64_t i, int64_t n) {
    auto feather = overlap * up;
    if (feather >= n)
      return 1.0;
    double weight = 1;
    if (i < feather)
      weight *= static_cast<double>(i + 1) / static_cast<double>(feather);
    if (n - 1 - i < feather)
      weight *= static_cast<double>(n - i) / static_cast<double>(feather);
    return weight;
  };
  auto whole = size.height <= tile.height && size.width <= tile.width;
  for (auto top : positions(size.height, tile.height))
    for (auto left : positions(size.width, tile.width)) {
      auto rows = std::min(tile.height, size.height - top);
      auto columns = std::min(tile.width, size.width - left);
      for (int64_t y = 0; y < rows * up; ++y)
        for (int64_t x = 0; x < columns * up; ++x) {
          auto weight = whole ? 1.0 : ramp(y, rows * up) * ramp(x, columns * up);
          auto pixel = image[static_cast<size_t>((top + y / up) * size.width + left + x / up)];
          auto value =
            pixel + 0.01 * static_cast<double>(rows) + 0.0001 * static_cast<double>(columns);
          auto place = static_cast<size_t>((top * up + y) * width + left * up + x);
          sum[place] += value * weight;
          weights[place] += weight;
        }
    }
  for (size_t i = 0; i < sum.size(); ++i)
    sum[i] /= weights[i];
  return sum;
}

/// Runs our tiling with that net. @returns the result and how many tiles were run.
std::pair<std::vector<float>, int> run_ours(const tensor_block& image, const vae_tiling& tiling,
                                            int64_t up) {
  c10::InferenceMode guard;
  run_context context;
  ticker silent{context, "", 0};
  int runs = 0;
  tiled_net net;
  net.run = [&](const at::Tensor& tile) -> result<at::Tensor> {
    ++runs;
    auto out = tile.repeat_interleave(up, 2).repeat_interleave(up, 3);
    return out.add(0.01 * static_cast<double>(tile.size(2))
                   + 0.0001 * static_cast<double>(tile.size(3)));
  };
  net.up = up;
  net.channels = 1;
  auto out = test::value(run_tiled(net, view_of(image), tiling, silent));
  return {test::values_of(block_of(out)), runs};
}

vae_tiling tiles(int width, int height, int overlap) {
  return {tiling_mode::on, tiling_method::comfyui, width, height, overlap};
}

std::unique_ptr<vae> load(const std::filesystem::path& path) {
  init_worker_thread(1);
  std::vector files{test::file_of(path)};
  auto facts = test::value(inspect_model(model_kind::vae, files));
  return test::value(test::load_vae(files, facts, {}, {}));
}

} // namespace

BOOST_AUTO_TEST_SUITE(tiling_test)

BOOST_AUTO_TEST_CASE(three_passes_are_blended_as_comfyui_blends_them) {
  struct sample {
    sides image;
    vae_tiling tiling;
    int64_t up;
  };
  for (auto& [size, tiling, up] :
       {sample{{20, 30}, tiles(8, 8, 2), 1}, sample{{20, 30}, tiles(8, 8, 2), 4},
        sample{{33, 9}, tiles(16, 8, 3), 2}, sample{{7, 7}, tiles(8, 8, 2), 2},
        sample{{16, 40}, tiles(12, 16, 0), 2}, sample{{64, 64}, tiles(64, 64, 16), 1},
        sample{{65, 65}, tiles(64, 64, 16), 1}}) {
    auto image = test::noise({1, 1, size.height, size.width}, 1);
    auto [got, runs] = run_ours(image, tiling, up);
    auto w = int64_t{tiling.tile_width};
    auto h = int64_t{tiling.tile_height};
    std::vector<double> want(got.size());
    for (auto& shape : {sides{h * 2, w / 2}, sides{h / 2, w * 2}, sides{h, w}}) {
      auto pass = blend(test::values_of(image), size, shape, tiling.overlap, up);
      for (size_t i = 0; i < want.size(); ++i)
        want[i] += pass[i] / 3;
    }
    double worst = 0;
    for (size_t i = 0; i < want.size(); ++i)
      worst = std::max(worst, std::abs(got[i] - want[i]));
    BOOST_CHECK_MESSAGE(worst <= 2e-6,
                        "image " << size.height << "x" << size.width << " is off by " << worst);
    BOOST_TEST(static_cast<uint64_t>(runs) == count_tiles(tiling, size.height, size.width));
  }
}

BOOST_AUTO_TEST_CASE(a_net_that_shrinks_is_tiled_alike) {
  c10::InferenceMode guard;
  auto image = test::noise({1, 3, 64, 96}, 2);
  run_context context;
  ticker silent{context, "", 0};
  tiled_net net;
  net.run = [](const at::Tensor& tile) -> result<at::Tensor> {
    return tile.unfold(2, 8, 8).unfold(3, 8, 8).mean({4, 5}); // the mean of 8x8 pixels: local
  };
  net.down = 8;
  auto whole = block_of(test::value(net.run(view_of(image))));
  auto tiled = block_of(test::value(run_tiled(net, view_of(image), tiles(32, 32, 8), silent)));
  BOOST_TEST(test::largest_error(tiled, whole) <= 1e-6);
}

BOOST_AUTO_TEST_CASE(an_image_that_fits_a_tile_equals_the_untiled_one) {
  test::temporary_folder folder;
  test::write_joined(test::make_autoencoder(8, 4, 1), folder / "tiny.safetensors");
  auto net = load(folder / "tiny.safetensors");
  vae_job job{test::noise({1, 4, 6, 5}, 2), {}};
  auto whole = test::value(net->decode({&job, 1}, {}).at(0));
  BOOST_TEST(!whole.tiled);
  BOOST_TEST(whole.tiles == 0);
  job.tiling = tiles(12, 12, 2);
  auto tiled = test::value(net->decode({&job, 1}, {}).at(0));
  BOOST_TEST(tiled.tiled);
  BOOST_TEST(tiled.tiles == 3);
  BOOST_TEST(test::largest_error(tiled.tensor, whole.tensor) <= 1e-6);
}

BOOST_AUTO_TEST_CASE(auto_tiles_only_when_memory_does_not_suffice) {
  test::temporary_folder folder;
  test::write_joined(test::make_autoencoder(8, 4, 3), folder / "tiny.safetensors");
  auto net = load(folder / "tiny.safetensors");
  vae_job job{test::noise({2, 4, 20, 20}, 4), {}};
  job.tiling.tile_width = job.tiling.tile_height = 16;
  run_context roomy;
  roomy.working_bytes = uint64_t{1} << 30;
  BOOST_TEST(!test::value(net->decode({&job, 1}, roomy).at(0)).tiled);
  run_context narrow;
  narrow.working_bytes = 1;
  std::vector<uint64_t> seen;
  uint64_t total = 0;
  narrow.progress = [&](std::string_view stage, uint64_t value, uint64_t max) {
    BOOST_TEST(stage == "tile");
    seen.push_back(value);
    total = max;
  };
  auto tiled = test::value(net->decode({&job, 1}, narrow).at(0));
  BOOST_TEST(tiled.tiled);
  BOOST_TEST(tiled.tiles > 6);
  BOOST_TEST(seen.size() == static_cast<size_t>(tiled.tiles));
  BOOST_TEST(total == static_cast<uint64_t>(tiled.tiles));
  job.tiling.mode = tiling_mode::off;
  BOOST_TEST(!test::value(net->decode({&job, 1}, run_context{{}, {}, nullptr, 1}).at(0)).tiled);
}

BOOST_AUTO_TEST_CASE(an_image_whose_memory_runs_out_goes_on_in_tiles_when_no_room_can_be_made) {
  /// Has memory for small images only.
  class tight_net : public vae_net {
  public:
    at::Device device() const override { return at::kCPU; }
    uint64_t weight_bytes() const override { return 0; }
    uint64_t ticks(vae_direction) const override { return 1; }
    result<at::Tensor> encode(const at::Tensor&, ticker&) const override { return cancelled(); }
    result<at::Tensor> decode(const at::Tensor& x, ticker&) const override {
      if (x.numel() > 4 * 16 * 16)
        throw std::bad_alloc{};
      return at::ones({1, 3, 8 * x.size(2), 8 * x.size(3)});
    }
  };
  model_facts facts;
  facts.kind = model_kind::vae;
  facts.family = "tight";
  facts.latent_channels = 4;
  facts.downscale_ratio = facts.upscale_ratio = 8;
  facts.output_channels = 3;
  facts.served_by = &taesd_family;
  facts.own = taesd_facts{1, 4, 1};
  auto net = make_vae(facts, std::make_unique<tight_net>());
  vae_job job{test::noise({1, 4, 20, 20}, 4), {}};
  job.tiling.tile_width = job.tiling.tile_height = 8;
  run_context context;
  context.last_try = false;
  auto first = std::move(net->decode({&job, 1}, context).at(0));
  BOOST_REQUIRE(!first);
  BOOST_TEST((first.error().code == ec::out_of_memory));
  context.last_try = true;
  auto second = test::value(std::move(net->decode({&job, 1}, context).at(0)));
  BOOST_TEST(second.tiled);
  BOOST_TEST(second.warnings.size() == 1U);
  job.tiling.mode = tiling_mode::off;
  auto whole = std::move(net->decode({&job, 1}, context).at(0));
  BOOST_REQUIRE(!whole);
  BOOST_TEST((whole.error().code == ec::out_of_memory));
}

BOOST_AUTO_TEST_CASE(a_stop_ends_the_work_between_two_tiles) {
  test::temporary_folder folder;
  test::write_joined(test::make_autoencoder(8, 4, 5), folder / "tiny.safetensors");
  auto net = load(folder / "tiny.safetensors");
  std::stop_source stop;
  uint64_t last = 0;
  run_context context;
  context.stop = stop.get_token();
  context.progress = [&](std::string_view, uint64_t value, uint64_t) {
    last = value;
    if (value == 2)
      stop.request_stop();
  };
  vae_job job{test::pattern_image(128, 128, 3, 0), tiles(64, 64, 16)};
  auto got = net->encode({&job, 1}, context);
  BOOST_TEST(last == 2U);
  BOOST_TEST((!got[0] && got[0].error().code == ec::cancelled));
}

BOOST_AUTO_TEST_SUITE_END()
