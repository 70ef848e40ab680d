// The KL autoencoder against ComfyUI's answers (tests/data/models/README.md).
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>

#include "base/safetensors.hpp"
#include "models/device.hpp"
#include "models/vae/vae.hpp"
#include "support.hpp"

using namespace luna;
using namespace luna::models;

namespace {

using json = nlohmann::json;

std::unique_ptr<vae> load(const std::filesystem::path& path, int threads = 1) {
  init_worker_thread(threads);
  std::vector files{test::file_of(path)};
  auto facts = test::value(inspect_model(model_kind::vae, files));
  return test::value(test::load_vae(files, facts, {}, {}));
}

std::unique_ptr<vae> load_sd(int threads = 1) {
  return load(LUNA_TEST_MODELS "/vae_sd.safetensors", threads);
}

tensor_block run(vae& net, vae_direction direction, const vae_job& job) {
  auto encode = direction == vae_direction::encode;
  auto got = encode ? net.encode({&job, 1}, {}) : net.decode({&job, 1}, {});
  return test::value(std::move(got.at(0))).tensor;
}

/// The images of a case as [B, H, W, C] f32 in 0..1.
tensor_block images_of(const json& image) {
  auto& size = image.at("pattern");
  std::vector<float> values;
  std::vector<int64_t> shape{0, size[0], size[1], size[2]};
  for (auto& seed : image.at("seeds")) {
    auto one = test::pattern_image(size[0], size[1], size[2], seed);
    for (auto byte : one.as<uint8_t>())
      values.push_back(static_cast<float>(byte) / 255.0F);
    ++shape[0];
  }
  return test::floats(shape, values);
}

/// Every n-th row and column of [B, H, W, C].
tensor_block every(const tensor_block& image, int64_t step) {
  auto all = test::values_of(image);
  std::vector<float> kept;
  for (int64_t b = 0; b < image.dim(0); ++b)
    for (int64_t y = 0; y < image.dim(1); y += step)
      for (int64_t x = 0; x < image.dim(2); x += step)
        for (int64_t c = 0; c < image.dim(3); ++c)
          kept.push_back(all[static_cast<size_t>(
            ((b * image.dim(1) + y) * image.dim(2) + x) * image.dim(3) + c)]);
  return test::floats({image.dim(0), (image.dim(1) + step - 1) / step,
                       (image.dim(2) + step - 1) / step, image.dim(3)},
                      kept);
}

vae_tiling tiling_of(const json& asked) {
  vae_tiling tiling;
  if (!asked.at("op").get<std::string>().ends_with("_tiled"))
    return tiling;
  tiling.mode = tiling_mode::on;
  tiling.method = tiling_method::comfyui;
  tiling.tile_width = asked.value("tile_x", 0);
  tiling.tile_height = asked.value("tile_y", 0);
  tiling.overlap = asked.value("overlap", -1);
  return tiling;
}

struct errors {
  double images = 0;
  double latents = 0;
};

/// The largest errors over all cases of a golden file.
errors run_golden(vae& net, const std::string& name) {
  auto golden = test::read_golden(LUNA_TEST_DATA "/models/" + name + ".safetensors");
  errors worst;
  auto cases = json::parse(golden.cases);
  for (auto& [label, asked] : cases.items()) {
    auto encode = asked.at("op").get<std::string>().starts_with("encode");
    if (encode) {
      vae_job job{images_of(asked.at("image")), tiling_of(asked)};
      auto error =
        test::largest_error(run(net, vae_direction::encode, job), golden.at(label + ".latent"));
      worst.latents = std::max(worst.latents, error);
      continue;
    }
    vae_job job{golden.at(label + ".latent"), tiling_of(asked)};
    auto image = run(net, vae_direction::decode, job);
    for (auto& tensor : golden.tensors)
      if (tensor.name.starts_with(label + ".image")) {
        auto step =
          tensor.name.find("_s", label.size()) == std::string::npos ? 1 : tensor.name.back() - '0';
        worst.images =
          std::max(worst.images, test::largest_error(every(image, step), tensor.tensor));
      }
  }
  std::cout << name << ": largest error of images " << worst.images << ", of latents "
            << worst.latents << '\n';
  return worst;
}

bool same_bytes(const tensor_block& x, const tensor_block& y) {
  return x.shape() == y.shape()
      && std::memcmp(x.bytes().data(), y.bytes().data(), x.size_bytes()) == 0;
}

using tensors = std::vector<named_tensor>;

/// A test model's tensors with something changed, as a file.
std::string changed(const std::string& name, const std::function<void(tensors&)>& change) {
  auto bytes =
    std::make_shared<std::string>(test::read_text(LUNA_TEST_MODELS "/" + name + ".safetensors"));
  auto all = test::value(
    read_safetensors({reinterpret_cast<const std::byte*>(bytes->data()), bytes->size()}, bytes));
  change(all);
  return write_safetensors(all);
}

failure inspect_failure(const std::filesystem::path& path) {
  std::vector files{test::file_of(path)};
  auto got = inspect_model(model_kind::vae, files);
  if (got)
    throw std::runtime_error("taken for a model");
  return got.error();
}

/// A line of /proc/self/status, in bytes.
uint64_t memory_line(std::string_view name) {
  std::ifstream in{"/proc/self/status"};
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(name))
      return std::stoull(line.substr(name.size())) * 1024;
  throw std::runtime_error("no such line");
}

/// Lets the kernel forget the highest memory so far.
void write_clear_refs() {
  std::ofstream{"/proc/self/clear_refs"} << 5;
}

} // namespace

BOOST_AUTO_TEST_SUITE(autoencoder_kl_test)

BOOST_AUTO_TEST_CASE(the_sd_autoencoder_equals_comfyui_in_every_golden_case) {
  auto net = load_sd();
  BOOST_TEST(net->facts().family == "autoencoder_kl");
  BOOST_TEST(net->facts().latent_channels == 4);
  BOOST_TEST(net->facts().latent_dim == 2);
  BOOST_TEST(net->facts().downscale_ratio == 8);
  BOOST_TEST(net->facts().upscale_ratio == 8);
  auto worst = run_golden(*net, "vae_sd");
  BOOST_TEST(worst.images <= 5e-5);
  BOOST_TEST(worst.latents <= 1e-4);
}

BOOST_AUTO_TEST_CASE(the_flux_autoencoder_equals_comfyui_in_every_golden_case) {
  auto net = load(LUNA_TEST_MODELS "/vae_flux.safetensors");
  BOOST_TEST(net->facts().latent_channels == 16);
  auto worst = run_golden(*net, "vae_flux");
  BOOST_TEST(worst.images <= 5e-5);
  BOOST_TEST(worst.latents <= 1e-4);
}

BOOST_AUTO_TEST_CASE(its_tiled_paths_equal_comfyuis_in_every_golden_case) {
  auto worst = run_golden(*load_sd(2), "vae_sd_tiled");
  BOOST_TEST(worst.images <= 1e-4);
  BOOST_TEST(worst.latents <= 2e-4);
}

BOOST_AUTO_TEST_CASE(every_layout_of_one_model_gives_the_same_bytes) {
  test::temporary_folder folder;
  auto sd = load_sd();
  auto check = [&](const std::filesystem::path& path) {
    BOOST_TEST_CONTEXT(path.filename().string()) {
      auto net = load(path);
      BOOST_TEST(net->weight_bytes() == sd->weight_bytes());
      vae_job latents{test::noise({1, 4, 5, 6}, 1), {}};
      BOOST_TEST(same_bytes(run(*net, vae_direction::decode, latents),
                            run(*sd, vae_direction::decode, latents)));
      vae_job image{test::pattern_image(40, 48, 3, 1), {}};
      BOOST_TEST(same_bytes(run(*net, vae_direction::encode, image),
                            run(*sd, vae_direction::encode, image)));
    }
  };
  check(LUNA_TEST_MODELS "/vae_sd_diffusers.safetensors");
  for (std::string prefix : {"first_stage_model.", "vae."}) {
    test::write_text(folder / "checkpoint.safetensors", changed("vae_sd", [&](auto& all) {
                       for (auto& x : all)
                         x.name = prefix + x.name;
                       all.push_back({"model.diffusion_model.out.2.bias", test::noise({4}, 1)});
                     }));
    check(folder / "checkpoint.safetensors");
  }
  test::write_text(folder / "inside.safetensors", changed("vae_sd", [&](auto& all) {
                     for (auto& x : all)
                       if (x.name.starts_with("quant_conv"))
                         x.name = "encoder." + x.name;
                       else if (x.name.starts_with("post_quant_conv"))
                         x.name = "decoder." + x.name;
                   }));
  check(folder / "inside.safetensors");
  test::write_text(folder / "old_diffusers.safetensors", changed("vae_sd_diffusers", [](auto& all) {
                     for (auto& x : all)
                       for (auto& [now, then] : {std::pair{".to_q.", ".query."},
                                                 {".to_k.", ".key."},
                                                 {".to_v.", ".value."},
                                                 {".to_out.0.", ".proj_attn."}})
                         if (auto at = x.name.find(now); at != std::string::npos)
                           x.name.replace(at, std::strlen(now), then);
                   }));
  check(folder / "old_diffusers.safetensors");
}

BOOST_AUTO_TEST_CASE(the_autoencoder_of_a_checkpoint_in_fp16_stays_so_and_is_widened_in_use) {
  auto net = load(LUNA_TEST_MODELS "/sd15.safetensors");
  auto golden = test::read_golden(LUNA_TEST_DATA "/models/vae_sd.safetensors");
  vae_job job{golden.at("decode_square.latent"), {}};
  auto error =
    test::largest_error(run(*net, vae_direction::decode, job), golden.at("decode_square.image"));
  BOOST_TEST(error <= 2e-2); // its weights are rounded, the golden file's are not
  BOOST_TEST(net->weight_bytes() < load_sd()->weight_bytes() * 3 / 5);
}

BOOST_AUTO_TEST_CASE(threads_and_company_change_no_image) {
  auto alone = load_sd(1);
  auto latents = test::noise({1, 4, 16, 12}, 3);
  vae_job job{latents, {}};
  auto one = run(*alone, vae_direction::decode, job);
  auto values = test::values_of(latents);
  auto more = test::values_of(test::noise({1, 4, 16, 12}, 4));
  values.insert(values.begin(), more.begin(), more.end());
  auto both = run(*alone, vae_direction::decode, {test::floats({2, 4, 16, 12}, values), {}});
  BOOST_TEST(
    std::memcmp(both.bytes().data() + one.size_bytes(), one.bytes().data(), one.size_bytes()) == 0);
  auto two = run(*load_sd(2), vae_direction::decode, job);
  BOOST_TEST(test::largest_error(two, one) <= 1e-5);
}

BOOST_AUTO_TEST_CASE(a_stop_ends_the_work_between_two_layers) {
  auto net = load_sd();
  for (auto direction : {vae_direction::encode, vae_direction::decode}) {
    std::stop_source stop;
    uint64_t last = 0;
    run_context context;
    context.stop = stop.get_token();
    context.progress = [&](std::string_view stage, uint64_t value, uint64_t max) {
      BOOST_TEST(stage == (direction == vae_direction::encode ? "encode" : "decode"));
      BOOST_TEST(max > 15U);
      last = value;
      if (value == 5)
        stop.request_stop();
    };
    vae_job job{direction == vae_direction::encode ? test::pattern_image(32, 32, 3, 0)
                                                   : test::noise({1, 4, 4, 4}, 1),
                {}};
    auto got = direction == vae_direction::encode ? net->encode({&job, 1}, context)
                                                  : net->decode({&job, 1}, context);
    BOOST_TEST(last == 5U);
    BOOST_TEST((!got[0] && got[0].error().code == ec::cancelled));
  }
}

BOOST_AUTO_TEST_CASE(a_stop_ends_the_work_between_two_tiles) {
  auto net = load_sd();
  std::stop_source stop;
  uint64_t last = 0;
  run_context context;
  context.stop = stop.get_token();
  context.progress = [&](std::string_view stage, uint64_t value, uint64_t) {
    BOOST_TEST(stage == "tile");
    last = value;
    if (value == 2)
      stop.request_stop();
  };
  vae_job job{test::noise({1, 4, 12, 12}, 1), {tiling_mode::on, tiling_method::comfyui, 8, 8, 2}};
  auto got = net->decode({&job, 1}, context);
  BOOST_TEST(last == 2U);
  BOOST_TEST((!got[0] && got[0].error().code == ec::cancelled));
}

BOOST_AUTO_TEST_CASE(broken_files_are_told_with_the_tensors_name) {
  test::temporary_folder folder;
  auto path = folder / "vae.safetensors";
  auto check = [&](const std::string& name, const std::function<void(tensors&, size_t)>& change,
                   const std::string& base = "vae_sd") {
    test::write_text(path, changed(base, [&](auto& all) {
                       for (size_t i = 0; i < all.size(); ++i)
                         if (all[i].name == name)
                           return change(all, i);
                       throw std::runtime_error("no such tensor");
                     }));
    auto got = inspect_failure(path);
    BOOST_TEST((got.code == ec::bad_model_file), got.message);
    BOOST_CHECK_MESSAGE(got.message.find(name) != std::string::npos, got.message);
  };
  auto gone = [](tensors& all, size_t i) {
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(i));
  };
  for (auto name :
       {"encoder.down.1.block.0.nin_shortcut.weight", "decoder.mid.attn_1.proj_out.bias",
        "decoder.up.0.block.2.norm2.weight", "encoder.norm_out.bias", "quant_conv.weight"})
    check(name, gone);
  check("decoder.mid_block.attentions.0.to_v.weight", gone, "vae_sd_diffusers");
  check("decoder.up.1.upsample.conv.weight",
        [](tensors& all, size_t i) { all[i].tensor = all[i].tensor.reshaped({64 * 64 * 9}); });
  check("decoder.up.2.block.1.conv1.weight",
        [](tensors& all, size_t i) { all[i].tensor = test::noise({128, 128, 1, 1}, 1); });
  check("decoder.mid.attn_1.q.weight",
        [](tensors& all, size_t i) { all[i].tensor = test::noise({128, 64}, 1); });
  check("decoder.conv_in.weight",
        [](tensors& all, size_t i) { all[i].tensor = test::noise({44, 4, 3, 3}, 1); });
  check("post_quant_conv.weight",
        [](tensors& all, size_t i) { all[i].tensor = test::noise({4, 4}, 1); });
  check("encoder.conv_in.weight", [](tensors& all, size_t i) {
    all[i].tensor = tensor_block::copy_of(dtype::i64, {1}, std::vector<std::byte>(8));
  });
}

BOOST_AUTO_TEST_CASE(relatives_that_compute_otherwise_are_not_served) {
  test::temporary_folder folder;
  auto path = folder / "vae.safetensors";
  auto check = [&](const std::string& word, const std::function<void(tensors&)>& change) {
    test::write_text(path, changed("vae_sd", change));
    auto got = inspect_failure(path);
    BOOST_TEST((got.code == ec::unsupported_model), got.message);
    BOOST_CHECK_MESSAGE(got.message.find(word) != std::string::npos, got.message);
  };
  auto add = [](std::string name) {
    return [name](tensors& all) { all.push_back({name, test::noise({4}, 1)}); };
  };
  check("Flux2", add("bn.running_mean"));
  check("Video", add("decoder.mid.block_1.mix_factor"));
  check("decoder.up.3.attn.0.q.weight", add("decoder.up.3.attn.0.q.weight"));
  check("upscaler", [](tensors& all) {
    std::erase_if(all, [](auto& x) {
      return x.name.starts_with("encoder.down.2.downsample")
          || x.name.starts_with("decoder.up.3.upsample");
    });
  });
  check("encoder", [](tensors& all) {
    std::erase_if(all, [](auto& x) { return x.name.starts_with("encoder."); });
  });
}

BOOST_AUTO_TEST_CASE(work_takes_no_more_memory_than_was_estimated,
                     *boost::unit_test::precondition(test::memory_can_be_measured)) {
  auto net = load_sd(2);
  for (auto direction : {vae_direction::encode, vae_direction::decode}) {
    vae_job job{direction == vae_direction::encode ? test::pattern_image(512, 512, 3, 0)
                                                   : test::noise({1, 4, 64, 64}, 1),
                {}};
    release_cached_memory("cpu");
    auto before = memory_line("VmRSS:");
    write_clear_refs();
    run(*net, direction, job);
    auto took = memory_line("VmHWM:") - before;
    auto estimate = estimate_working_bytes(net->facts(), direction, job);
    std::cout << "autoencoder_kl of width 32, 512x512 pixels, "
              << (direction == vae_direction::encode ? "encode" : "decode") << ": " << (took >> 20)
              << " MiB, estimated " << (estimate >> 20) << " MiB\n";
    BOOST_TEST(took <= estimate);
    BOOST_TEST(took * 3 >= estimate);
  }
}

BOOST_AUTO_TEST_CASE(an_image_without_memory_goes_on_in_tiles_or_says_so) {
  auto net = load_sd();
  vae_job job{test::noise({1, 4, 20, 20}, 4), {}};
  job.tiling.tile_width = job.tiling.tile_height = 16;
  run_context narrow;
  narrow.working_bytes = 1;
  auto tiled = test::value(std::move(net->decode({&job, 1}, narrow).at(0)));
  BOOST_TEST(tiled.tiled);
  BOOST_TEST(tiled.warnings.empty()); // the estimate's choice, nothing ran out
  job.tiling.mode = tiling_mode::off;
  BOOST_TEST(!test::value(std::move(net->decode({&job, 1}, narrow).at(0))).tiled);
}

BOOST_AUTO_TEST_SUITE_END()
