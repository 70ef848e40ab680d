#include <boost/test/unit_test.hpp>

#include <cstring>
#include <iostream>

#include "base/non_finite.hpp"
#include "golden_text.hpp"
#include "models/text/text_encoder.hpp"
#include "models/tokenizers/clip_bpe.hpp"
#include "support.hpp"

using namespace luna;
using namespace luna::models;

namespace {

constexpr double tolerance =
  5e-5; // tests/data/models: ComfyUI against another implementation, x 15

/// One encoder for all tests of this file: they do not change it.
text_encoder& clip() {
  static auto encoder = test::load_clip();
  return *encoder;
}

text_job job_of(std::string_view prompt) {
  return test::job_of_prompt(clip().facts(), prompt);
}

using test::encode;

double run_golden(text_encoder& encoder, const run_context& context = {}) {
  return test::run_golden_text(encoder, "clip_l_sd15.safetensors", tolerance, context);
}

bool same_bytes(const tensor_block& x, const tensor_block& y) {
  return x.shape() == y.shape()
      && std::memcmp(x.bytes().data(), y.bytes().data(), x.size_bytes()) == 0;
}

} // namespace

BOOST_AUTO_TEST_SUITE(clip_text_test)

BOOST_AUTO_TEST_CASE(sd15_text_equals_comfyui_in_every_golden_case) {
  auto worst = run_golden(clip());
  std::cout << "clip_l_sd15: largest error " << worst << ", tolerance " << tolerance << '\n';
}

BOOST_AUTO_TEST_CASE(a_full_checkpoint_gives_what_the_single_file_gives) {
  BOOST_TEST(run_golden(*test::load_clip("sd15.safetensors")) <= tolerance);
}

BOOST_AUTO_TEST_CASE(fp32_weights_are_rounded_to_fp16_first) {
  auto wide = test::load_clip("clip_l_fp32.safetensors");
  auto job = job_of("a photo of a (cat:1.3)");
  BOOST_TEST(same_bytes(encode(*wide, job).cond, encode(clip(), job).cond));
}

BOOST_AUTO_TEST_CASE(every_attention_mode_stays_within_the_golden_tolerance) {
  for (auto mode : {attention_mode::automatic, attention_mode::flash, attention_mode::split,
                    attention_mode::pytorch}) {
    std::atomic<attention_mode> current{mode};
    run_context context;
    context.attention = &current;
    auto worst = run_golden(clip(), context);
    std::cout << "clip_l_sd15, attention " << to_string(mode) << ": largest error " << worst
              << '\n';
  }
}

BOOST_AUTO_TEST_CASE(what_else_is_in_the_batch_changes_nothing) {
  std::vector<text_job> jobs;
  for (auto prompt : {"a photo of a cat", "(weighted:1.4) words", "", "embedding:luna_ti at night"})
    jobs.push_back(job_of(prompt));
  std::string filler;
  for (int i = 0; i < 40; ++i)
    filler += "three words more ";
  jobs.push_back(job_of(filler));
  jobs[0].layer = -2;
  auto together = clip().encode(jobs, {});
  for (size_t i = 0; i < jobs.size(); ++i) {
    auto alone = encode(*test::load_clip(), jobs[i]); // also free of what `clip()` has kept
    BOOST_TEST(same_bytes(together[i].value().cond, alone.cond));
    BOOST_TEST(same_bytes(together[i].value().pooled.value(), alone.pooled.value()));
  }
}

BOOST_AUTO_TEST_CASE(a_bad_job_does_not_disturb_its_neighbours) {
  std::vector<text_job> jobs{job_of("a"), job_of("b"), job_of("c")};
  jobs[1].tokens["l"][0][3].id = clip_bpe::vocabulary;
  auto got = clip().encode(jobs, {});
  BOOST_TEST(got[0].has_value());
  BOOST_TEST((got[1].error().code == ec::model_mismatch));
  BOOST_TEST(same_bytes(got[2].value().cond, encode(clip(), job_of("c")).cond));
}

BOOST_AUTO_TEST_CASE(an_embedding_of_another_width_is_left_out_and_padded) {
  auto job = job_of("a embedding:luna_ti cat");
  auto fits = job;
  job.embeddings[0] = test::noise({3, 192}, 1);
  auto got = encode(clip(), job);
  BOOST_TEST(got.warnings.size() == 1U);
  auto without = job_of("a cat");
  BOOST_TEST(same_bytes(got.cond, encode(clip(), without).cond));
  BOOST_TEST(!same_bytes(got.cond, encode(clip(), fits).cond));
}

BOOST_AUTO_TEST_CASE(embedding_rows_may_be_16_bits_wide_or_a_single_vector) {
  std::vector<float> halves(128);
  for (size_t i = 0; i < halves.size(); ++i)
    halves[i] = static_cast<float>(i) / 64.0F - 1.0F; // exact in fp16 and bf16
  auto job = job_of("a embedding:luna_ti cat");
  auto& chunk = job.tokens["l"][0];
  std::vector<text_output> outputs;
  job.embeddings[0] = test::floats({1, 128}, halves);
  for (auto& token : chunk)
    token.row = 0;
  outputs.push_back(encode(clip(), job));
  job.embeddings[0] = job.embeddings[0].reshaped({128});
  outputs.push_back(encode(clip(), job));
  std::vector<uint16_t> bits;
  for (auto value : halves) {
    uint32_t word = 0;
    std::memcpy(&word, &value, 4);
    bits.push_back(static_cast<uint16_t>(word >> 16));
  }
  job.embeddings[0] = tensor_block::copy_of(dtype::bf16, {1, 128}, std::as_bytes(std::span{bits}));
  outputs.push_back(encode(clip(), job));
  BOOST_TEST(same_bytes(outputs[0].cond, outputs[1].cond));
  BOOST_TEST(same_bytes(outputs[0].cond, outputs[2].cond));
}

BOOST_AUTO_TEST_CASE(a_stop_ends_the_work_between_two_layers) {
  std::stop_source stop;
  uint64_t layers_done = 0;
  run_context context;
  context.stop = stop.get_token();
  context.progress = [&](std::string_view stage, uint64_t value, uint64_t max) {
    BOOST_TEST(stage == "encode");
    BOOST_TEST(max == 12U);
    layers_done = value;
    if (value == 3)
      stop.request_stop();
  };
  std::vector<text_job> jobs{job_of("a"), job_of("b")};
  auto got = clip().encode(jobs, context);
  BOOST_TEST(layers_done == 3U);
  for (auto& x : got)
    BOOST_TEST((!x && x.error().code == ec::cancelled));
}

BOOST_AUTO_TEST_CASE(progress_is_told_layer_by_layer) {
  std::vector<uint64_t> seen;
  run_context context;
  context.progress = [&](std::string_view, uint64_t value, uint64_t) { seen.push_back(value); };
  encode(clip(), job_of("a"), context);
  BOOST_TEST(seen == (std::vector<uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(conditioning_that_is_not_finite_is_told_with_its_count) {
  auto job = job_of("(word:3e38)"); // finite, but a factor too large
  auto got = encode(clip(), job);
  BOOST_REQUIRE_EQUAL(got.warnings.size(), 1U);
  BOOST_TEST(got.warnings[0].code == "non_finite");
  BOOST_TEST(got.warnings[0].count == count_non_finite(got.cond));
  BOOST_TEST(got.warnings[0].count > 0U);
  BOOST_TEST(got.warnings[0].message.find("prompt weight") != std::string::npos);
  BOOST_TEST(encode(clip(), job_of("(word:1e3)")).warnings.empty());
}

BOOST_AUTO_TEST_CASE(a_weight_of_infinity_is_refused) {
  auto job = job_of("word");
  job.tokens.at("l")[0][1].weight = 1e39;
  auto got = clip().encode({&job, 1}, {});
  BOOST_TEST((got[0].error().code == ec::bad_request));
}

BOOST_AUTO_TEST_SUITE_END()
