// Unloading gives the memory back to the system, measured by the kernel; a failed load leaves
// nothing.
#include <boost/test/unit_test.hpp>

#include <fstream>
#include <iostream>
#include <string>

#include "models/device.hpp"
#include "models/text/text_encoder.hpp"
#include "models/vae/vae.hpp"
#include "support.hpp"
#include "vae/taesd_reference.hpp"

using namespace luna;
using namespace luna::models;

namespace {

/// Anonymous memory of this process that is resident, after the heap has given back what it can.
int64_t anonymous_bytes() {
  release_cached_memory("cpu");
  std::ifstream in{"/proc/self/status"};
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("RssAnon:"))
      return std::stoll(line.substr(8)) * 1024;
  throw std::runtime_error("no RssAnon");
}

std::vector<model_file> clip_files() {
  return {test::file_of(LUNA_TEST_MODELS "/clip_l.safetensors")};
}

text_job prompt() {
  text_job job;
  job.tokens["l"] = {token_chunk(77, {49407, 1.5})};
  return job;
}

} // namespace

BOOST_AUTO_TEST_SUITE(unload_test, *boost::unit_test::precondition(test::memory_can_be_measured))

BOOST_AUTO_TEST_CASE(unloading_a_text_encoder_gives_its_memory_back) {
  auto warm = test::load_clip(); // the library's own first-use memory is not the model's
  auto job = prompt();
  BOOST_TEST(warm->encode({&job, 1}, {}).at(0).has_value());
  auto weights = static_cast<int64_t>(warm->weight_bytes());
  BOOST_TEST(warm->weight_bytes() == warm->facts().weight_bytes);
  BOOST_TEST(test::value(memory_of("cpu")).model_bytes >= warm->weight_bytes());
  warm.reset();

  auto before = anonymous_bytes();
  auto live_before = test::value(memory_of("cpu")).model_bytes;
  auto model = test::load_clip();
  BOOST_TEST(model->encode({&job, 1}, {}).at(0).has_value());
  auto loaded = anonymous_bytes();
  model.reset();
  auto after = anonymous_bytes();
  std::cout << "clip_l: " << weights << " bytes of weights; anonymous memory " << before << " -> "
            << loaded << " -> " << after << '\n';
  BOOST_TEST(loaded - before >= weights * 9 / 10);
  BOOST_TEST(loaded - after >= weights * 9 / 10);
  BOOST_TEST(test::value(memory_of("cpu")).model_bytes == live_before);
}

BOOST_AUTO_TEST_CASE(unloading_a_vae_gives_its_memory_back) {
  test::temporary_folder folder;
  test::write_joined(test::make_autoencoder(64, 32, 1), folder / "tiny.safetensors");
  std::vector files{test::file_of(folder / "tiny.safetensors")};
  auto facts = test::value(inspect_model(model_kind::vae, files));
  vae_job job{test::noise({1, 128, 2, 2}, 1), {}};
  auto use = [&] {
    auto model = test::value(test::load_vae(files, facts, {}, {}));
    BOOST_TEST(model->decode({&job, 1}, {}).at(0).has_value());
    return model;
  };
  auto weights = static_cast<int64_t>(use()->weight_bytes());
  BOOST_TEST(static_cast<uint64_t>(weights) == facts.weight_bytes);
  auto before = anonymous_bytes();
  auto model = use();
  auto loaded = anonymous_bytes();
  model.reset();
  auto after = anonymous_bytes();
  std::cout << "taef2: " << weights << " bytes of weights; anonymous memory " << before << " -> "
            << loaded << " -> " << after << '\n';
  BOOST_TEST(loaded - after >= weights * 9 / 10);
}

BOOST_AUTO_TEST_CASE(an_autoencoder_keeps_its_weights_once_and_gives_them_back) {
  std::vector files{test::file_of(LUNA_TEST_MODELS "/vae_sd.safetensors")};
  auto facts = test::value(inspect_model(model_kind::vae, files));
  vae_job job{test::noise({1, 4, 2, 2}, 1), {}};
  auto use = [&] {
    auto model = test::value(test::load_vae(files, facts, {}, {}));
    BOOST_TEST(model->decode({&job, 1}, {}).at(0).has_value());
    return model;
  };
  auto weights = static_cast<int64_t>(use()->weight_bytes()); // warms the libraries up, too
  BOOST_TEST(static_cast<uint64_t>(weights) == facts.weight_bytes);
  auto before = anonymous_bytes();
  auto model = use();
  auto loaded = anonymous_bytes();
  model.reset();
  auto after = anonymous_bytes();
  std::cout << "vae_sd: " << weights << " bytes of weights; anonymous memory " << before << " -> "
            << loaded << " -> " << after << '\n';
  BOOST_TEST(loaded - before <= weights * 11 / 10 + (1 << 20));
  BOOST_TEST(loaded - after >= weights * 9 / 10);
}

BOOST_AUTO_TEST_CASE(a_load_that_is_stopped_or_fails_leaves_nothing) {
  auto files = clip_files();
  auto facts = test::value(inspect_model(model_kind::text, files));
  auto live = test::value(memory_of("cpu")).model_bytes;
  auto before = anonymous_bytes();
  std::stop_source stop;
  run_context context;
  context.stop = stop.get_token();
  uint64_t most = 0;
  context.progress = [&](std::string_view stage, uint64_t value, uint64_t max) {
    BOOST_TEST(stage == "load");
    most = value;
    if (value > max / 2)
      stop.request_stop();
  };
  auto stopped = test::load_text_encoder(files, facts, {}, context);
  BOOST_REQUIRE(!stopped);
  BOOST_TEST((stopped.error().code == ec::cancelled));
  BOOST_TEST(most < facts.weight_bytes);
  BOOST_TEST(test::value(memory_of("cpu")).model_bytes == live);
  BOOST_TEST(anonymous_bytes() - before < static_cast<int64_t>(facts.weight_bytes / 10));
}

BOOST_AUTO_TEST_SUITE_END()
