#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <filesystem>

#include "base/safetensors.hpp"
#include "models/text/clip_layout.hpp"
#include "models/weights/inspect.hpp"
#include "support.hpp"
#include "vae/taesd_reference.hpp"

using namespace luna;
using namespace luna::models;

namespace {

namespace fs = std::filesystem;

/// A file whose tensors have these names and one number of value each, or the given rows.
void write_named(const fs::path& path, const std::vector<std::pair<std::string, int64_t>>& names) {
  std::vector<named_tensor> tensors;
  for (auto& [name, rows] : names)
    tensors.push_back({name, test::floats({rows}, std::vector<float>(static_cast<size_t>(rows)))});
  test::write_text(path, write_safetensors(tensors));
}

result<model_facts> inspect(model_kind kind, const fs::path& path, std::string_view type = {}) {
  std::vector files{test::file_of(path)};
  return inspect_model(kind, files, type);
}

} // namespace

BOOST_AUTO_TEST_SUITE(inspect_test)

BOOST_AUTO_TEST_CASE(a_text_tower_is_described_from_its_header) {
  for (auto name : {"clip_l.safetensors", "sd15.safetensors", "clip_l_fp32.safetensors"}) {
    auto facts = test::value(inspect(model_kind::text, fs::path{LUNA_TEST_MODELS} / name));
    BOOST_TEST(facts.family == "clip_l");
    BOOST_TEST(facts.type == "stable_diffusion");
    BOOST_TEST(facts.token_keys == std::vector<std::string>{"l"}, boost::test_tools::per_element());
    BOOST_TEST(facts.layers == 12);
    BOOST_TEST(facts.cond_width == 128);
    BOOST_REQUIRE_EQUAL(towers_of(facts).size(), 1U);
    BOOST_TEST(towers_of(facts)[0].heads == 2);
    BOOST_TEST(towers_of(facts)[0].positions == 77);
    auto has = [&](std::string_view key) {
      return std::find(facts.weight_keys.begin(), facts.weight_keys.end(), key)
          != facts.weight_keys.end();
    };
    BOOST_TEST(has("clip_l.transformer.text_model.encoder.layers.11.mlp.fc2.weight"));
    BOOST_TEST(has("clip_l.transformer.text_model.embeddings.token_embedding.weight"));
    BOOST_TEST(has("clip_l.transformer.text_projection.weight"));
    BOOST_TEST(facts.weight_keys.size() == 2U + 12 * 16 + 2 + 2);
  }
}

BOOST_AUTO_TEST_CASE(a_checkpoint_without_text_model_in_its_names_is_read_too) {
  test::temporary_folder folder;
  auto bytes =
    std::make_shared<std::string>(test::read_text(LUNA_TEST_MODELS "/clip_l.safetensors"));
  auto tensors = test::value(
    read_safetensors({reinterpret_cast<const std::byte*>(bytes->data()), bytes->size()}, bytes));
  for (auto& x : tensors)
    if (x.name.starts_with("text_model."))
      x.name = "cond_stage_model.transformer." + x.name.substr(11);
  test::write_text(folder / "old.safetensors", write_safetensors(tensors));
  BOOST_TEST(test::value(inspect(model_kind::text, folder / "old.safetensors")).layers == 12);
}

BOOST_AUTO_TEST_CASE(families_that_are_known_but_not_served_are_named) {
  test::temporary_folder folder;
  struct known {
    model_kind kind;
    std::string name;
    std::vector<std::pair<std::string, int64_t>> tensors;
  };
  std::string post = "model.layers.0.post_attention_layernorm.weight";
  std::string norm = "model.layers.0.self_attn.q_norm.weight";
  for (auto& [kind, name, tensors] : std::vector<known>{
         {model_kind::text, "clip_h", {{"text_model.encoder.layers.22.mlp.fc1.weight", 1}}},
         {model_kind::text, "SD2", {{"cond_stage_model.model.ln_final.weight", 1}}},
         {model_kind::text,
          "T5-XXL",
          {{"encoder.block.23.layer.1.DenseReluDense.wi_1.weight", 10240}}},
         {model_kind::text,
          "T5-XL",
          {{"encoder.block.23.layer.1.DenseReluDense.wi_1.weight", 5120}}},
         {model_kind::text, "T5-base", {{"encoder.block.0.layer.0.SelfAttention.k.weight", 768}}},
         {model_kind::text,
          "Qwen2.5-VL-7B",
          {{"model.layers.0.self_attn.k_proj.bias", 512}, {post, 3584}}},
         {model_kind::text, "Qwen3-4B", {{norm, 128}, {post, 2560}}},
         {model_kind::text, "Qwen3-8B", {{norm, 128}, {post, 4096}}},
         {model_kind::text, "Mistral", {{post, 5120}}},
         {model_kind::text, "Llama", {{post, 4096}}},
         {model_kind::vae, "checkpoint", {{"first_stage_model.decoder.layers.0.weight", 1}}},
         {model_kind::vae, "Wan", {{"decoder.middle.0.residual.0.gamma", 1}}},
         {model_kind::vae, "AutoencoderTiny", {{"decoder.layers.0.weight", 1}}},
         {model_kind::vae, "decoder half", {{"1.weight", 1}, {"3.conv.0.weight", 1}}},
         {model_kind::vision,
          "vision encoder",
          {{"vision_model.encoder.layers.0.layer_norm1.weight", 1}}},
         {model_kind::vlm, "Qwen3-VL", {{"model.visual.deepstack_merger_list.0.norm.weight", 1}}},
       }) {
    write_named(folder / "known.safetensors", tensors);
    auto got = inspect(kind, folder / "known.safetensors");
    BOOST_REQUIRE(!got);
    BOOST_TEST((got.error().code == ec::unsupported_model));
    BOOST_CHECK_MESSAGE(got.error().message.find(name) != std::string::npos, got.error().message);
  }
}

BOOST_AUTO_TEST_CASE(a_file_of_something_else_says_so) {
  test::temporary_folder folder;
  write_named(folder / "lora.safetensors", {{"lora_te_x.lora_up.weight", 4}});
  for (auto kind : {model_kind::text, model_kind::vae, model_kind::vision, model_kind::vlm}) {
    auto got = inspect(kind, folder / "lora.safetensors");
    BOOST_REQUIRE(!got);
    BOOST_TEST((got.error().code == ec::unsupported_model));
  }
}

BOOST_AUTO_TEST_CASE(pickles_are_refused_with_a_way_out) {
  test::temporary_folder folder;
  for (auto name : {"a.ckpt", "a.pt", "a.bin", "a.PTH"}) {
    test::write_text(folder / name, "anything");
    auto got = inspect(model_kind::text, folder / name);
    BOOST_REQUIRE(!got);
    BOOST_TEST((got.error().code == ec::unsupported_model));
    BOOST_TEST(got.error().message.find("convert it") != std::string::npos);
    BOOST_TEST(got.error().message.find(name) != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(types_of_comfyui_that_a_lone_tower_serves_are_taken) {
  auto path = fs::path{LUNA_TEST_MODELS "/clip_l.safetensors"};
  BOOST_TEST(inspect(model_kind::text, path, "stable_diffusion").has_value());
  BOOST_TEST(inspect(model_kind::text, path, "sdxl").has_value());
  BOOST_TEST((inspect(model_kind::text, path, "sd3").error().code == ec::unsupported_model));
  BOOST_TEST((inspect(model_kind::text, path, "nonsense").error().code == ec::bad_request));
  std::vector files{test::file_of(path), test::file_of(path)};
  BOOST_TEST(
    (inspect_model(model_kind::text, files, "sdxl").error().code == ec::unsupported_model));
}

BOOST_AUTO_TEST_CASE(a_file_that_is_not_there_is_an_unknown_model) {
  BOOST_TEST((stat_model_file("/nowhere/x.safetensors").error().code == ec::unknown_model));
  BOOST_TEST((stat_model_file("/").error().code == ec::unknown_model));
  std::vector files{model_file{"/nowhere/x.safetensors", 1, 1}};
  BOOST_TEST((inspect_model(model_kind::text, files).error().code == ec::unknown_model));
}

BOOST_AUTO_TEST_CASE(the_hash_is_that_of_the_whole_file) {
  test::temporary_folder folder;
  test::write_text(folder / "a", "abc");
  std::vector files{test::file_of(folder / "a")};
  BOOST_TEST(test::value(hash_model(files))
             == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  files.push_back(files[0]); // the hash of the two digests, one after the other
  BOOST_TEST(test::value(hash_model(files))
             == "sha256:3b771ca97e3c17698aff21227fa046b5622a30d8ee5d2de4ee1111a1cdf258ee");
  std::stop_source stop;
  stop.request_stop();
  BOOST_TEST((hash_model(files, stop.get_token()).error().code == ec::cancelled));
  files[0].bytes = 4;
  BOOST_TEST((hash_model(files).error().code == ec::unavailable));
}

BOOST_AUTO_TEST_SUITE_END()
