#include <boost/test/unit_test.hpp>

#include <cstring>
#include <iostream>

#include "golden_text.hpp"
#include "models/prompt/sdxl_prompt.hpp"
#include "models/tokenizers/clip_bpe.hpp"
#include "support.hpp"

// SDXL's pair of text towers and the refiner's one, in every layout of file.

using namespace luna;
using namespace luna::models;

namespace {

/// tests/data/models: ComfyUI against another implementation, x 10
constexpr double tolerance = 2e-4;

std::vector<model_file> pair_files() {
  return {test::file_of(LUNA_TEST_MODELS "/clip_l.safetensors"),
          test::file_of(LUNA_TEST_MODELS "/clip_g.safetensors")};
}

text_encoder& pair() {
  static auto encoder = test::load_text(pair_files());
  return *encoder;
}

text_encoder& refiner() {
  static auto encoder = test::load_text({test::file_of(LUNA_TEST_MODELS "/clip_g.safetensors")});
  return *encoder;
}

/// A file of the same tensors under longer names.
std::filesystem::path with_prefix(const test::temporary_folder& folder, std::string_view from,
                                  const std::string& prefix) {
  auto bytes = std::make_shared<std::string>(
    test::read_text(std::string{LUNA_TEST_MODELS "/"} + std::string{from}));
  std::span<const std::byte> view{reinterpret_cast<const std::byte*>(bytes->data()), bytes->size()};
  auto tensors = test::value(read_safetensors(view, bytes));
  for (auto& x : tensors)
    x.name = prefix + x.name;
  auto text = write_safetensors_head(tensors);
  for (auto& x : tensors)
    text.append(reinterpret_cast<const char*>(x.tensor.bytes().data()), x.tensor.size_bytes());
  auto path = folder / "renamed.safetensors";
  test::write_text(path, text);
  return path;
}

bool same_bytes(const tensor_block& x, const tensor_block& y) {
  return x.shape() == y.shape()
      && std::memcmp(x.bytes().data(), y.bytes().data(), x.size_bytes()) == 0;
}

} // namespace

BOOST_AUTO_TEST_SUITE(sdxl_text_test)

BOOST_AUTO_TEST_CASE(the_pair_equals_comfyui_in_every_golden_case) {
  auto worst = test::run_golden_text(pair(), "sdxl.safetensors", tolerance);
  std::cout << "sdxl: largest error " << worst << ", tolerance " << tolerance << '\n';
}

BOOST_AUTO_TEST_CASE(the_refiner_equals_comfyui_in_every_golden_case) {
  auto worst = test::run_golden_text(refiner(), "clip_g_refiner.safetensors", tolerance);
  std::cout << "clip_g_refiner: largest error " << worst << ", tolerance " << tolerance << '\n';
}

BOOST_AUTO_TEST_CASE(the_order_of_the_files_does_not_matter) {
  auto files = pair_files();
  std::swap(files[0], files[1]);
  auto turned = test::load_text(files);
  auto job = test::job_of_prompt(pair().facts(), "a (red:1.3) cat");
  BOOST_TEST(same_bytes(test::encode(*turned, job).cond, test::encode(pair(), job).cond));
}

BOOST_AUTO_TEST_CASE(a_checkpoint_gives_what_the_files_give) {
  auto checkpoint = test::load_text({test::file_of(LUNA_TEST_MODELS "/sdxl.safetensors")});
  BOOST_TEST(checkpoint->facts().family == "sdxl");
  auto job = test::job_of_prompt(pair().facts(), "a (red:1.3) cat");
  auto x = test::encode(*checkpoint, job);
  auto y = test::encode(pair(), job);
  BOOST_TEST(same_bytes(x.cond, y.cond));
  BOOST_TEST(same_bytes(x.pooled.value(), y.pooled.value()));
}

BOOST_AUTO_TEST_CASE(openclips_names_mean_the_same_weights) {
  auto other = test::load_text({test::file_of(LUNA_TEST_MODELS "/clip_g_openclip.safetensors")});
  BOOST_TEST(other->facts().family == "clip_g");
  BOOST_TEST(other->facts().weight_keys == refiner().facts().weight_keys,
             boost::test_tools::per_element());
  auto job = test::job_of_prompt(refiner().facts(), "a (red:1.3) cat");
  auto x = test::encode(*other, job);
  auto y = test::encode(refiner(), job);
  BOOST_TEST(same_bytes(x.cond, y.cond));
  BOOST_TEST(same_bytes(x.pooled.value(), y.pooled.value()));
}

BOOST_AUTO_TEST_CASE(the_refiners_checkpoint_is_recognised) {
  test::temporary_folder folder;
  auto encoder = test::load_text({test::file_of(
    with_prefix(folder, "clip_g_openclip.safetensors", "conditioner.embedders.0.model."))});
  BOOST_TEST(encoder->facts().family == "clip_g");
  auto job = test::job_of_prompt(refiner().facts(), "a cat");
  BOOST_TEST(same_bytes(test::encode(*encoder, job).cond, test::encode(refiner(), job).cond));
}

BOOST_AUTO_TEST_CASE(facts_say_what_a_proxy_must_know) {
  auto& facts = pair().facts();
  BOOST_TEST(facts.type == "sdxl");
  BOOST_TEST(facts.token_keys == (std::vector<std::string>{"l", "g"}),
             boost::test_tools::per_element());
  BOOST_TEST(facts.cond_width == 320);
  BOOST_TEST(facts.layers == 32);
  auto has = [&](std::string_view key) {
    auto& keys = facts.weight_keys;
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  };
  BOOST_TEST(has("clip_l.transformer.text_model.encoder.layers.11.mlp.fc2.bias"));
  BOOST_TEST(has("clip_g.transformer.text_model.encoder.layers.31.self_attn.q_proj.weight"));
  BOOST_TEST(has("clip_g.transformer.text_projection.weight"));
  BOOST_TEST(!has("clip_g.transformer.text_model.encoder.layers.32.mlp.fc1.weight"));
}

BOOST_AUTO_TEST_CASE(the_memory_taken_is_what_was_announced) {
  BOOST_TEST(pair().weight_bytes() == pair().facts().weight_bytes);
  BOOST_TEST(refiner().weight_bytes() == refiner().facts().weight_bytes);
}

BOOST_AUTO_TEST_CASE(two_files_of_the_same_tower_are_refused) {
  std::vector files{test::file_of(LUNA_TEST_MODELS "/clip_l.safetensors"),
                    test::file_of(LUNA_TEST_MODELS "/clip_l_fp32.safetensors")};
  auto facts = inspect_model(model_kind::text, files, "sdxl");
  BOOST_REQUIRE(!facts.has_value());
  BOOST_TEST((facts.error().code == ec::unsupported_model));
  BOOST_TEST(facts.error().message.find("one CLIP-L and one CLIP-G") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_pair_of_another_type_is_refused_by_its_name) {
  auto facts = inspect_model(model_kind::text, pair_files(), "sd3");
  BOOST_REQUIRE(!facts.has_value());
  BOOST_TEST((facts.error().code == ec::unsupported_model));
  BOOST_TEST(facts.error().message.find("sd3") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(tokens_of_one_tower_alone_do_not_fit_the_pair) {
  auto job = test::job_of_prompt(pair().facts(), "a cat");
  job.tokens.erase("g");
  auto got = pair().encode({&job, 1}, {});
  BOOST_TEST((got[0].error().code == ec::model_mismatch));
}

BOOST_AUTO_TEST_CASE(progress_counts_the_layers_of_both_towers) {
  uint64_t last = 0;
  run_context context;
  context.progress = [&](std::string_view, uint64_t value, uint64_t max) {
    BOOST_TEST(max == 44U);
    last = value;
  };
  test::encode(pair(), test::job_of_prompt(pair().facts(), "a"), context);
  BOOST_TEST(last == 44U);
}

BOOST_AUTO_TEST_CASE(a_stop_ends_the_work_in_the_second_tower) {
  std::stop_source stop;
  run_context context;
  context.stop = stop.get_token();
  context.progress = [&](std::string_view, uint64_t value, uint64_t) {
    if (value == 20)
      stop.request_stop();
    BOOST_TEST(value <= 20U);
  };
  auto job = test::job_of_prompt(pair().facts(), "a");
  auto got = pair().encode({&job, 1}, context);
  BOOST_TEST((got[0].error().code == ec::cancelled));
}

BOOST_AUTO_TEST_CASE(what_else_is_in_the_batch_changes_nothing) {
  std::vector<text_job> jobs;
  for (auto prompt : {"a photo of a cat", "(weighted:1.4) words", "embedding:luna_ti at night"})
    jobs.push_back(test::job_of_prompt(pair().facts(), prompt));
  auto together = pair().encode(jobs, {});
  for (size_t i = 0; i < jobs.size(); ++i)
    BOOST_TEST(same_bytes(together[i].value().cond, test::encode(pair(), jobs[i]).cond));
}

BOOST_AUTO_TEST_CASE(two_prompts_are_brought_to_as_many_chunks) {
  auto tokenizer = test::value(make_tokenizer(pair().facts(), LUNA_SHARE));
  std::string filler;
  for (int i = 0; i < 60; ++i)
    filler += "two words ";
  auto text = test::value(tokenize_pair(*tokenizer, "a cat", filler));
  auto empty = test::value(tokenizer->tokenize(""));
  BOOST_REQUIRE_EQUAL(text.tokens["l"].size(), 2U);
  BOOST_REQUIRE_EQUAL(text.tokens["g"].size(), 2U);
  BOOST_TEST((text.tokens["l"][1] == empty.tokens["l"][0]));
  BOOST_TEST((text.tokens["g"][1] != empty.tokens["g"][0]));
  BOOST_TEST(text.tokens["g"][0][3].id != clip_bpe::end);
}

BOOST_AUTO_TEST_CASE(embeddings_of_both_prompts_are_kept_apart) {
  auto tokenizer = test::value(make_tokenizer(pair().facts(), LUNA_SHARE));
  auto source = make_embedding_folders({LUNA_TEST_MODELS "/embeddings"});
  auto text = test::value(
    tokenize_pair(*tokenizer, "embedding:luna_ti", "a embedding:luna_ti", source.get()));
  BOOST_REQUIRE_EQUAL(text.embeddings.size(), 2U);
  BOOST_TEST(text.embeddings[0].name == "clip_l.luna_ti");
  BOOST_TEST(text.embeddings[1].name == "clip_g.luna_ti");
  BOOST_TEST(text.tokens["l"][0][1].embedding == 0);
  BOOST_TEST(text.tokens["g"][0][2].embedding == 1);
}

BOOST_AUTO_TEST_CASE(a_model_of_one_tower_has_no_pair_of_prompts) {
  auto tokenizer = test::value(make_tokenizer(refiner().facts(), LUNA_SHARE));
  auto text = tokenize_pair(*tokenizer, "a", "b");
  BOOST_REQUIRE(!text.has_value());
  BOOST_TEST((text.error().code == ec::model_mismatch));
}

BOOST_AUTO_TEST_SUITE_END()
