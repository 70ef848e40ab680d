#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>

#include <functional>
#include <utility>

#include "actors/pool/work_batch.hpp"
#include "fakes.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

namespace {

tensor_block ones(std::vector<int64_t> shape) {
  std::vector<float> values(element_count(shape).value(), 1.0f);
  return tensor_block::copy_of(dtype::f32, std::move(shape), std::as_bytes(std::span{values}));
}

/// Answers every job after `steps` of progress, or what the test wants.
class fake_encoder : public models::text_encoder {
public:
  fake_encoder() : models::text_encoder(fake_model("a", model_kind::text)->facts) {}

  uint64_t weight_bytes() const noexcept override { return 100; }

  std::vector<result<models::text_output>> encode(std::span<const models::text_job> jobs,
                                                  const models::run_context& context) override {
    std::vector<result<models::text_output>> answers;
    for (auto& job : jobs) {
      layers.push_back(job.layer.value_or(0));
      before_step();
      context.report("encode", answers.size() + 1, jobs.size());
      if (context.stopped())
        answers.push_back(models::cancelled());
      else
        answers.push_back(next_answer(job));
    }
    return answers;
  }

  std::function<void()> before_step = [] {};
  std::function<result<models::text_output>(const models::text_job&)> next_answer =
    [](auto&) -> result<models::text_output> {
    return models::text_output{ones({1, 4, 8}), ones({1, 8}), std::nullopt, {}};
  };
  std::vector<int> layers; ///< of the jobs, as they came
};

class fake_vae : public models::vae {
public:
  fake_vae() : models::vae(fake_model("a")->facts) {}

  uint64_t weight_bytes() const noexcept override { return 100; }

  std::vector<result<models::vae_output>> encode(std::span<const models::vae_job> jobs,
                                                 const models::run_context&) override {
    return std::vector<result<models::vae_output>>(
      jobs.size(), models::vae_output{ones({1, 4, 1, 1}), false, 0});
  }

  std::vector<result<models::vae_output>> decode(std::span<const models::vae_job> jobs,
                                                 const models::run_context&) override {
    return std::vector<result<models::vae_output>>(jobs.size(),
                                                   models::vae_output{ones({1, 8, 8, 3}), true, 9});
  }
};

struct fixture {
  work_order order;
  std::vector<std::stop_source> stops;
  std::vector<task_progress> heard;
  std::chrono::steady_clock::time_point now{1h};
  fake_encoder encoder;
  std::unique_ptr<work_batch> uut;
  caf::actor_system_config config;
  caf::actor_system system{config};
  progress_actor listener = system.spawn(
    []() -> progress_actor::behavior_type { return {[](progress_atom, const task_progress&) {}}; });

  /// Adds an item with so many prompts; its id is its number from 1.
  work_item& item(size_t prompts = 1) {
    auto& stop = stops.emplace_back();
    work_item x;
    x.task = order.items.size() + 1;
    x.stop = stop.get_token();
    x.texts.resize(prompts);
    order.items.push_back(std::move(x));
    return order.items.back();
  }

  work_batch& make() {
    uut = std::make_unique<work_batch>(
      order, [this](const work_item&, task_progress x) { heard.push_back(std::move(x)); },
      [this] { return now; });
    return *uut;
  }

  std::vector<result<model_result>> answers(models::loaded_model& model) {
    make().run(model);
    return uut->take_answers();
  }

  static std::vector<std::string> names(const result<model_result>& answer) {
    std::vector<std::string> names;
    for (auto& tensor : answer.value().tensors)
      names.push_back(tensor.name);
    return names;
  }

  ~fixture() { caf::anon_send_exit(listener, caf::exit_reason::kill); }
};

using strings = std::vector<std::string>;

} // namespace

BOOST_FIXTURE_TEST_SUITE(work_batch_test, fixture)

BOOST_AUTO_TEST_CASE(all_prompts_of_all_items_go_through_the_encoder_in_one_call_in_order) {
  item(2).texts[1].layer = -2;
  order.items[0].texts[0].layer = -1;
  item(1).texts[0].layer = -3;
  auto got = answers(encoder);
  BOOST_TEST(encoder.layers == (std::vector<int>{-1, -2, -3}), boost::test_tools::per_element());
  BOOST_REQUIRE_EQUAL(got.size(), 2u);
  BOOST_TEST(names(got[0]) == (strings{"cond", "pooled", "uncond", "pooled_neg"}),
             boost::test_tools::per_element());
  BOOST_TEST(names(got[1]) == (strings{"cond", "pooled"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_answer_has_what_the_family_has) {
  item();
  encoder.next_answer = [](auto&) -> result<models::text_output> {
    return models::text_output{ones({1, 4, 8}),
                               std::nullopt,
                               tensor_block::copy_of(dtype::i64, {0}, {}),
                               {{"embedding", "left out", 0}}};
  };
  order.items[0].reply_type = dtype::f16;
  auto got = answers(encoder);
  BOOST_TEST(names(got[0]) == (strings{"cond", "attention_mask"}),
             boost::test_tools::per_element());
  BOOST_TEST((got[0]->tensors[0].tensor.type() == dtype::f16));
  BOOST_TEST((got[0]->tensors[1].tensor.type() == dtype::i64));
  BOOST_TEST(got[0]->answer.attributes
             == R"({"warnings":[{"code":"embedding","message":"left out"}]})");
}

BOOST_AUTO_TEST_CASE(what_f16_cannot_hold_is_an_error_that_says_what_can) {
  item();
  encoder.next_answer = [](auto&) -> result<models::text_output> {
    std::vector<float> large(8, 1e6F);
    return models::text_output{
      ones({1, 4, 8}),
      tensor_block::copy_of(dtype::f32, {1, 8}, std::as_bytes(std::span{large})),
      std::nullopt,
      {}};
  };
  order.items[0].reply_type = dtype::f16;
  auto got = answers(encoder);
  BOOST_REQUIRE(!got[0]);
  BOOST_TEST((got[0].error().code == ec::bad_request));
  BOOST_TEST(got[0].error().message.find("'pooled' cannot be sent as f16: 8 of") == 0U);
  BOOST_TEST(got[0].error().message.find("bf16") != std::string::npos);
  order.items[0].reply_type = dtype::bf16;
  BOOST_TEST(answers(encoder)[0].has_value());
}

BOOST_AUTO_TEST_CASE(one_failed_prompt_fails_its_item_alone) {
  item();
  item(2);
  item();
  encoder.next_answer = [n = 0](auto&) mutable -> result<models::text_output> {
    if (++n == 3)
      return fail(ec::out_of_memory, "too much");
    return models::text_output{ones({1, 4, 8}), std::nullopt, std::nullopt, {}};
  };
  auto got = answers(encoder);
  BOOST_TEST(static_cast<bool>(got[0]));
  BOOST_TEST((got[1].error().code == ec::out_of_memory));
  BOOST_TEST(static_cast<bool>(got[2]));
}

BOOST_AUTO_TEST_CASE(an_item_that_was_stopped_before_does_not_run) {
  item();
  item();
  stops[0].request_stop();
  auto got = answers(encoder);
  BOOST_TEST((got[0].error().code == ec::cancelled));
  BOOST_TEST(static_cast<bool>(got[1]));
  BOOST_TEST(encoder.layers.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_batch_that_nobody_wants_says_so) {
  item();
  item();
  make();
  BOOST_TEST(uut->wanted());
  stops[1].request_stop();
  BOOST_TEST(uut->wanted());
  stops[0].request_stop();
  BOOST_TEST(!uut->wanted());
}

BOOST_AUTO_TEST_CASE(running_work_stops_once_all_of_its_items_are_stopped) {
  item();
  item();
  item();
  encoder.before_step = [this, n = 0u]() mutable {
    if (n < 2)
      stops[n++].request_stop();
    else
      stops[2].request_stop();
  };
  auto got = answers(encoder);
  BOOST_TEST(static_cast<bool>(got[0])); // the others still wanted the run
  BOOST_TEST(static_cast<bool>(got[1]));
  BOOST_TEST((got[2].error().code == ec::cancelled));
}

BOOST_AUTO_TEST_CASE(progress_goes_to_listeners_at_most_ten_times_a_second) {
  for (int i = 0; i < 6; ++i)
    item();
  order.items[0].listener = listener;
  encoder.before_step = [this] { now += 40ms; };
  answers(encoder);
  BOOST_REQUIRE_EQUAL(heard.size(), 2u); // at 40 and 160 of 240 ms
  BOOST_TEST(heard[0].id == 1u);
  BOOST_TEST(heard[0].stage == "encode");
  BOOST_TEST(heard[0].value == 1u);
  BOOST_TEST(heard[1].value == 4u);
  BOOST_TEST(heard[1].max == 6u);
}

BOOST_AUTO_TEST_CASE(a_stopped_item_hears_no_more_progress) {
  item().listener = listener;
  item();
  encoder.before_step = [this] { stops[0].request_stop(); };
  answers(encoder);
  BOOST_TEST(heard.empty());
}

BOOST_AUTO_TEST_CASE(images_are_answered_with_how_they_were_cut) {
  fake_vae vae;
  item(0).kind = task_kind::vae_decode;
  order.items[0].reply_type = dtype::u8;
  auto got = answers(vae);
  BOOST_TEST(names(got[0]) == strings{"images"}, boost::test_tools::per_element());
  BOOST_TEST((got[0]->tensors[0].tensor.type() == dtype::u8));
  BOOST_TEST(got[0]->answer.attributes == R"({"tiled":true,"tiles":9})");
}

BOOST_AUTO_TEST_CASE(an_image_whose_memory_ran_out_says_what_was_done) {
  class : public fake_vae {
  public:
    std::vector<result<models::vae_output>> decode(std::span<const models::vae_job>,
                                                   const models::run_context& context) override {
      last_try = context.last_try;
      return {models::vae_output{ones({1, 8, 8, 3}), true, 9, {{"non_finite", "NaN", 3}}}};
    }
    bool last_try = false;
  } vae;
  order.last_try = true;
  item().kind = task_kind::vae_decode;
  order.items[0].warnings = {{"evicted", "made room", 0}};
  auto got = answers(vae);
  BOOST_TEST(vae.last_try);
  BOOST_TEST(got[0]->answer.attributes
             == R"({"tiled":true,"tiles":9,"warnings":[{"code":"evicted","message":"made room"},)"
                R"({"code":"non_finite","message":"NaN","count":3}]})");
}

BOOST_AUTO_TEST_CASE(latents_are_answered_as_latents) {
  fake_vae vae;
  item(0).kind = task_kind::vae_encode;
  auto got = answers(vae);
  BOOST_TEST(names(got[0]) == strings{"latents"}, boost::test_tools::per_element());
  BOOST_TEST(got[0]->answer.attributes == R"({"tiled":false,"tiles":0})");
}

BOOST_AUTO_TEST_CASE(every_item_is_answered_even_if_the_model_does_nothing) {
  class silent : public models::loaded_model {
  public:
    silent() : models::loaded_model({}) {}
    uint64_t weight_bytes() const noexcept override { return 0; }
  } model;
  item();
  auto got = answers(model);
  BOOST_REQUIRE_EQUAL(got.size(), 1u);
  BOOST_TEST((got[0].error().code == ec::internal));
}

BOOST_AUTO_TEST_SUITE_END()
