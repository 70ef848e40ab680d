#include "models/family.hpp"
#include "models/text/text_work.hpp"
#include "models/vae/taesd_layout.hpp"
#include "models/vae/vae_work.hpp"
#include "support.hpp"

using namespace luna;
using namespace luna::models;

namespace {

tensor_block ones(std::vector<int64_t> shape) {
  std::vector<float> values(element_count(shape).value(), 1.0F);
  return test::floats(std::move(shape), values);
}

class fake_vae : public vae {
public:
  explicit fake_vae(const model_facts& facts) : vae(facts) {}

  uint64_t weight_bytes() const noexcept override { return 100; }

  std::vector<result<vae_output>> encode(std::span<const vae_job> jobs,
                                         const run_context&) override {
    return std::vector<result<vae_output>>(jobs.size(),
                                           vae_output{ones({1, 4, 1, 1}), false, 0, {}});
  }

  std::vector<result<vae_output>> decode(std::span<const vae_job> jobs,
                                         const run_context&) override {
    return std::vector<result<vae_output>>(
      jobs.size(), vae_output{ones({1, 8, 8, 3}), true, 9, {{"non_finite", "NaN", 3}}});
  }
};

struct fixture {
  std::shared_ptr<model_facts> facts = std::make_shared<model_facts>();
  std::vector<named_tensor> tensors{{"latents", ones({1, 4, 1, 1})}};
  dtype reply_type = dtype::f32;

  fixture() {
    facts->kind = model_kind::vae;
    facts->served_by = &taesd_family;
    facts->own = taesd_facts{64, 4, 1};
    facts->latent_channels = 4;
    facts->downscale_ratio = facts->upscale_ratio = 8;
    facts->output_channels = 3;
  }

  preparation request() const {
    preparation x;
    x.kind = "the command";
    x.facts = facts;
    x.tensors = tensors;
    x.reply_type = reply_type;
    return x;
  }

  std::shared_ptr<const work> decode(int64_t side, tiling_mode mode = tiling_mode::automatic) {
    tensors = {{"latents", ones({1, 4, side, side})}};
    return test::value(prepare_vae_decode({mode}, request())).todo;
  }

  work_answer run(const work& work) const {
    fake_vae model{*facts};
    auto* batch = &work;
    return test::value(std::move(work.run({&batch, 1}, model, {}).at(0)));
  }

  static work_needs needs(std::vector<const work*> batch) { return batch.front()->needs(batch); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(vae_work_test, fixture)

BOOST_AUTO_TEST_CASE(images_are_answered_with_how_they_were_cut) {
  reply_type = dtype::u8;
  auto answer = run(*decode(1));
  BOOST_REQUIRE_EQUAL(answer.tensors.size(), 1U);
  BOOST_TEST(answer.tensors[0].name == "images");
  BOOST_TEST((answer.tensors[0].tensor.type() == dtype::u8));
  BOOST_TEST((std::any_cast<tiling_report>(answer.attributes) == tiling_report{true, 9}));
  BOOST_TEST(answer.warnings.at(0).count == 3U);
}

BOOST_AUTO_TEST_CASE(latents_are_answered_as_latents) {
  tensors = {{"pixels", ones({8, 8, 3})}};
  auto answer = run(*test::value(prepare_vae_encode({}, request())).todo);
  BOOST_TEST(answer.tensors.at(0).name == "latents");
  BOOST_TEST((std::any_cast<tiling_report>(answer.attributes) == tiling_report{}));
  reply_type = dtype::u8;
  BOOST_TEST((prepare_vae_encode({}, request()).error().code == ec::bad_request));
}

BOOST_AUTO_TEST_CASE(missing_and_superfluous_tensors_are_named) {
  auto message = [&](std::vector<named_tensor> x) {
    tensors = std::move(x);
    auto got = prepare_vae_decode({}, request());
    BOOST_REQUIRE(!got);
    BOOST_TEST((got.error().code == ec::bad_request));
    return got.error().message;
  };
  BOOST_TEST(message({}) == "the command needs the tensor 'latents' in the body");
  BOOST_TEST(message({{"x", ones({1})}}) == "the command takes no tensor 'x', only 'latents'");
}

BOOST_AUTO_TEST_CASE(the_cost_is_the_pixels_of_the_images) {
  BOOST_TEST(decode(2)->cost() == 16U * 16);
  tensors = {{"pixels", ones({3, 20, 16, 3})}}; // cropped to 16 x 16
  BOOST_TEST(test::value(prepare_vae_encode({}, request())).todo->cost() == 3U * 16 * 16);
}

BOOST_AUTO_TEST_CASE(what_encodes_does_not_join_what_decodes) {
  auto image = decode(1);
  BOOST_TEST(image->joins(*decode(2)));
  tensors = {{"pixels", ones({8, 8, 3})}};
  BOOST_TEST(!image->joins(*test::value(prepare_vae_encode({}, request())).todo));
}

BOOST_AUTO_TEST_CASE(a_batch_needs_its_largest_image_beside_all_inputs_and_results) {
  auto small = decode(2);
  auto large = decode(64);
  auto one = needs({large.get()});
  auto both = needs({large.get(), small.get()});
  auto own = 2 * 2 * 4 * 4 + 16 * 16 * 3 * 4;
  BOOST_TEST(both.working == one.working + static_cast<uint64_t>(own));
  BOOST_TEST(both.tensors == one.tensors + static_cast<uint64_t>(own));
}

BOOST_AUTO_TEST_CASE(a_large_image_alone_may_be_cut) {
  auto image = decode(256);
  auto alone = needs({image.get()});
  BOOST_TEST(alone.min_working > 0U);
  BOOST_TEST(alone.min_working < alone.working);
  BOOST_TEST(needs({image.get(), image.get()}).min_working == 0U);
  auto whole = decode(256, tiling_mode::off);
  BOOST_TEST(needs({whole.get()}).min_working == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
