#include <algorithm>
#include <functional>
#include <limits>

#include "models/family.hpp"
#include "models/text/clip_layout.hpp"
#include "models/text/text_work.hpp"
#include "support.hpp"

using namespace luna;
using namespace luna::models;

namespace {

clip_tower_facts tower(const char* key, int vocabulary, int positions) {
  return {.key = key,
          .layers = 12,
          .width = 8,
          .heads = 1,
          .inner = 8,
          .vocabulary = vocabulary,
          .positions = positions};
}

/// Answers every job, or what the test wants.
class fake_encoder : public text_encoder {
public:
  explicit fake_encoder(const model_facts& facts) : text_encoder(facts) {}

  uint64_t weight_bytes() const noexcept override { return 100; }

  std::vector<result<text_output>> encode(std::span<const text_job> jobs,
                                          const run_context&) override {
    std::vector<result<text_output>> answers;
    for (auto& job : jobs) {
      seen.push_back(job);
      answers.push_back(next_answer());
    }
    return answers;
  }

  std::function<result<text_output>()> next_answer = []() -> result<text_output> {
    return text_output{test::floats({1, 4, 8}, std::vector<float>(32, 1.0F)),
                       test::floats({1, 8}, std::vector<float>(8, 1.0F)),
                       std::nullopt,
                       {}};
  };
  std::vector<text_job> seen;
};

struct fixture {
  std::shared_ptr<model_facts> facts = std::make_shared<model_facts>();
  std::vector<named_tensor> tensors;
  dtype reply_type = dtype::f32;

  fixture() { towers({tower("l", 100, 4)}); }

  void towers(clip_facts towers) {
    facts->family = "clip_l";
    facts->served_by = &clip_family;
    facts->layers = 12;
    facts->token_keys.clear();
    for (auto& x : towers)
      facts->token_keys.push_back(x.key);
    facts->own = std::move(towers);
  }

  /// CLIP-L as far as the tokenizer is concerned.
  void real_clip() { towers({tower("l", 49408, 77)}); }

  preparation request() const {
    preparation x;
    x.kind = "clip_encode";
    x.facts = facts;
    x.tensors = tensors;
    x.reply_type = reply_type;
    x.vocabularies = LUNA_SHARE;
    return x;
  }

  static prompt_arguments prompts(std::string positive, std::string negative = "",
                                  bool wants_negative = false) {
    prompt_arguments x;
    x.positive = std::move(positive);
    x.negative = std::move(negative);
    x.wants_negative = wants_negative;
    return x;
  }

  static token_chunk row(std::vector<int32_t> ids) {
    token_chunk chunk;
    for (auto id : ids)
      chunk.push_back({id, 1.0, -1, 0, 0});
    return chunk;
  }

  result<prepared_work> tokens(std::vector<token_chunk> chunks) const {
    return prepare_tokens({{{"l", std::move(chunks)}}, {}, {}}, request());
  }

  /// What the encoder gets of these works, which run as one batch.
  std::vector<text_job> jobs_of(const std::vector<prepared_work>& works) const {
    fake_encoder encoder{*facts};
    run(works, encoder);
    return encoder.seen;
  }

  static std::vector<result<work_answer>> run(const std::vector<prepared_work>& works,
                                              loaded_model& model) {
    std::vector<const work*> batch;
    for (auto& x : works)
      batch.push_back(x.todo.get());
    return batch.front()->run(batch, model, {});
  }

  static std::vector<std::string> names(const result<work_answer>& answer) {
    std::vector<std::string> names;
    for (auto& tensor : answer.value().tensors)
      names.push_back(tensor.name);
    return names;
  }
};

using strings = std::vector<std::string>;

} // namespace

BOOST_FIXTURE_TEST_SUITE(text_work_test, fixture)

// -- tokens

BOOST_AUTO_TEST_CASE(given_tokens_become_one_job) {
  token_arguments arguments{{{"l", {row({1, 2, 3, 4}), row({5, 6, 7, 8})}}}, {}, {true, -2, false}};
  auto x = test::value(prepare_tokens(arguments, request()));
  BOOST_TEST(x.todo->cost() == 8U);
  auto jobs = jobs_of({x});
  BOOST_REQUIRE_EQUAL(jobs.size(), 1U);
  BOOST_TEST(jobs[0].tokens.at("l").at(1).at(2).id == 7);
  BOOST_TEST((jobs[0].layer == -2));
  BOOST_TEST(!jobs[0].projected);
}

BOOST_AUTO_TEST_CASE(tokens_of_another_model_are_a_mismatch) {
  BOOST_TEST((tokens({row({1, 2, 3, 100})}).error().code == ec::model_mismatch));
  BOOST_TEST((tokens({row({1, 2, 3})}).error().code == ec::model_mismatch));
  auto other = prepare_tokens({{{"g", {row({1, 2, 3, 4})}}}, {}, {}}, request());
  BOOST_TEST((other.error().code == ec::model_mismatch));
}

BOOST_AUTO_TEST_CASE(malformed_tokens_are_a_bad_request) {
  token_arguments twice{{{"l", {row({1, 2, 3, 4})}}, {"l", {row({1, 2, 3, 4})}}}, {}, {}};
  BOOST_TEST((prepare_tokens(twice, request()).error().code == ec::bad_request));
  auto chunk = row({1, 2, 3, 4});
  chunk[0].weight = std::numeric_limits<double>::infinity();
  BOOST_TEST((tokens({chunk}).error().code == ec::bad_request));
}

BOOST_AUTO_TEST_CASE(a_token_may_stand_for_a_row_of_a_body_tensor) {
  auto chunk = row({1, 2, 3, 4});
  chunk[1].embedding = chunk[3].embedding = 0;
  chunk[1].row = 1;
  chunk[2].embedding = 1;
  token_arguments arguments{{{"l", {chunk}}}, {"style", "other"}, {}};
  auto missing = prepare_tokens(arguments, request());
  BOOST_TEST((missing.error().code == ec::bad_request));
  BOOST_TEST(missing.error().message.find("'style'") != std::string::npos);
  tensors = {{"other", test::floats({1, 8}, std::vector<float>(8))},
             {"style", test::floats({2, 8}, std::vector<float>(16))}};
  auto jobs = jobs_of({test::value(prepare_tokens(arguments, request()))});
  BOOST_REQUIRE_EQUAL(jobs[0].embeddings.size(), 2U);
  BOOST_TEST(jobs[0].embeddings[0].dim(0) == 2);
  BOOST_TEST((jobs[0].tokens.at("l")[0] == chunk));
}

// -- prompts

BOOST_AUTO_TEST_CASE(a_prompt_becomes_one_job_and_the_negative_one_another) {
  real_clip();
  auto arguments = prompts("a cat", "a dog");
  BOOST_TEST(jobs_of({test::value(prepare_prompts(arguments, request()))}).size() == 1U);
  arguments.wants_negative = true;
  auto x = test::value(prepare_prompts(arguments, request()));
  BOOST_TEST(x.todo->cost() == 154U);
  auto jobs = jobs_of({x});
  BOOST_REQUIRE_EQUAL(jobs.size(), 2U);
  BOOST_TEST(jobs[0].tokens.at("l").at(0)[0].id == 49406);
  BOOST_TEST(jobs[0].tokens.at("l").at(0)[2].id == 2368); // "cat"
  BOOST_TEST(jobs[1].tokens.at("l").at(0)[2].id == 1929); // "dog"
}

BOOST_AUTO_TEST_CASE(sdxls_towers_may_read_different_prompts) {
  towers({tower("l", 49408, 77), tower("g", 49408, 77)});
  auto arguments = prompts("a cat", "a cat", true);
  arguments.pair = true;
  arguments.positive_l = "a dog";
  arguments.negative_l = "a cat";
  auto second_word = [](const text_job& job, const char* key) {
    return job.tokens.at(key).at(0)[2].id;
  };
  auto jobs = jobs_of({test::value(prepare_prompts(arguments, request()))});
  BOOST_REQUIRE_EQUAL(jobs.size(), 2U);
  BOOST_TEST(second_word(jobs[0], "l") == 1929); // "dog"
  BOOST_TEST(second_word(jobs[0], "g") == 2368); // "cat"
  BOOST_TEST(second_word(jobs[1], "l") == 2368);
  arguments.pair = false;
  jobs = jobs_of({test::value(prepare_prompts(arguments, request()))});
  BOOST_TEST(second_word(jobs[0], "l") == 2368);
}

BOOST_AUTO_TEST_CASE(a_pair_of_prompts_does_not_fit_a_model_of_one_tower) {
  real_clip();
  auto arguments = prompts("a cat");
  arguments.pair = true;
  BOOST_TEST((prepare_prompts(arguments, request()).error().code == ec::model_mismatch));
}

BOOST_AUTO_TEST_CASE(tokenize_answers_the_tokens_with_weights_and_words) {
  real_clip();
  auto x = test::value(prepare_tokenize({"a (cat:1.5)"}, request()));
  BOOST_TEST(!x.todo);
  BOOST_TEST(x.answer.warnings.empty());
  auto told = std::any_cast<tokenize_answer>(x.answer.attributes);
  BOOST_REQUIRE_EQUAL(told.tokens.size(), 1U);
  BOOST_TEST(told.tokens[0].key == "l");
  auto& chunk = told.tokens[0].chunks.at(0);
  BOOST_REQUIRE_EQUAL(chunk.size(), 77U);
  BOOST_TEST(chunk[2].id == 2368);
  BOOST_TEST(chunk[2].weight.value == 1.5);
  BOOST_TEST(chunk[2].word > 0);
}

BOOST_AUTO_TEST_CASE(an_embedding_that_is_not_found_is_a_warning) {
  real_clip();
  auto x = test::value(prepare_tokenize({"a embedding:nowhere"}, request()));
  BOOST_REQUIRE_EQUAL(x.answer.warnings.size(), 1U);
  BOOST_TEST(x.answer.warnings[0].code == "embedding");
  BOOST_TEST(x.answer.warnings[0].message.find("nowhere") != std::string::npos);
  auto arguments = prompts("a embedding:nowhere");
  BOOST_TEST(test::value(prepare_prompts(arguments, request())).answer.warnings.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_weight_that_is_infinite_in_f32_is_a_bad_request_with_its_text) {
  real_clip();
  for (auto& got : {prepare_tokenize({"a (cat:1e39)"}, request()),
                    prepare_prompts(prompts("a (cat:1e39)"), request())}) {
    BOOST_REQUIRE(!got);
    BOOST_TEST((got.error().code == ec::bad_request));
    BOOST_TEST(got.error().message.find("'cat'") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_prompt_is_cleaned_up_as_the_request_says) {
  real_clip();
  auto tokens_of = [&](const char* text, text_cleanup cleanup) {
    auto x = test::value(prepare_tokenize({text, cleanup}, request()));
    return std::any_cast<tokenize_answer>(x.answer.attributes);
  };
  auto five = tokens_of("zero\u200bwidth", text_cleanup::transformers5);
  auto four = tokens_of("zero\u200bwidth", text_cleanup::transformers4);
  BOOST_TEST((four == tokens_of("zerowidth", text_cleanup::transformers5)));
  BOOST_TEST((four != five));
}

BOOST_AUTO_TEST_CASE(a_family_that_nobody_serves_is_told) {
  facts->family = "t5";
  facts->served_by = nullptr;
  auto got = prepare_tokenize({"a cat"}, request());
  BOOST_TEST((got.error().code == ec::unsupported_model));
  BOOST_TEST(got.error().message.find("t5") != std::string::npos);
}

// -- answers

BOOST_AUTO_TEST_CASE(all_prompts_of_a_batch_go_through_the_encoder_in_one_call_in_order) {
  real_clip();
  auto both = prompts("a cat", "a dog", true);
  both.layer = {true, -1, true};
  auto one = prompts("a cat");
  one.layer = {true, -3, true};
  fake_encoder encoder{*facts};
  auto got = run(
    {test::value(prepare_prompts(both, request())), test::value(prepare_prompts(one, request()))},
    encoder);
  BOOST_REQUIRE_EQUAL(encoder.seen.size(), 3U);
  BOOST_TEST((encoder.seen[1].layer == -1));
  BOOST_TEST((encoder.seen[2].layer == -3));
  BOOST_REQUIRE_EQUAL(got.size(), 2U);
  BOOST_TEST(names(got[0]) == (strings{"cond", "pooled", "uncond", "pooled_neg"}),
             boost::test_tools::per_element());
  BOOST_TEST(names(got[1]) == (strings{"cond", "pooled"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_answer_has_what_the_family_has) {
  reply_type = dtype::f16;
  auto x = test::value(tokens({row({1, 2, 3, 4})}));
  fake_encoder encoder{*facts};
  encoder.next_answer = []() -> result<text_output> {
    return text_output{test::floats({1, 4, 8}, std::vector<float>(32)),
                       std::nullopt,
                       tensor_block::copy_of(dtype::i64, {0}, {}),
                       {{"embedding", "left out", 0}}};
  };
  auto got = run({x}, encoder);
  BOOST_TEST(names(got[0]) == (strings{"cond", "attention_mask"}),
             boost::test_tools::per_element());
  BOOST_TEST((got[0]->tensors[0].tensor.type() == dtype::f16));
  BOOST_TEST((got[0]->tensors[1].tensor.type() == dtype::i64));
  BOOST_TEST(got[0]->warnings.at(0).message == "left out");
}

BOOST_AUTO_TEST_CASE(what_f16_cannot_hold_is_an_error_that_says_what_can) {
  fake_encoder encoder{*facts};
  encoder.next_answer = []() -> result<text_output> {
    return text_output{test::floats({1, 4, 8}, std::vector<float>(32)),
                       test::floats({1, 8}, std::vector<float>(8, 1e6F)),
                       std::nullopt,
                       {}};
  };
  reply_type = dtype::f16;
  auto got = run({test::value(tokens({row({1, 2, 3, 4})}))}, encoder);
  BOOST_REQUIRE(!got[0]);
  BOOST_TEST((got[0].error().code == ec::bad_request));
  BOOST_TEST(got[0].error().message.find("'pooled' cannot be sent as f16: 8 of") == 0U);
  BOOST_TEST(got[0].error().message.find("bf16") != std::string::npos);
  reply_type = dtype::bf16;
  BOOST_TEST(run({test::value(tokens({row({1, 2, 3, 4})}))}, encoder)[0].has_value());
}

BOOST_AUTO_TEST_CASE(one_failed_prompt_fails_its_request_alone) {
  real_clip();
  auto one = prompts("a cat");
  auto both = prompts("a cat", "a dog", true);
  fake_encoder encoder{*facts};
  encoder.next_answer = [n = 0, good = encoder.next_answer]() mutable -> result<text_output> {
    return ++n == 3 ? fail(ec::out_of_memory, "too much") : good();
  };
  auto first = test::value(prepare_prompts(one, request()));
  auto got = run({first, test::value(prepare_prompts(both, request())), first}, encoder);
  BOOST_TEST(got[0].has_value());
  BOOST_TEST((got[1].error().code == ec::out_of_memory));
  BOOST_TEST(got[2].has_value());
}

BOOST_AUTO_TEST_CASE(types_that_cannot_be_answered_are_told_before_the_work) {
  for (auto type : {dtype::u8, dtype::i64}) {
    reply_type = type;
    auto got = tokens({row({1, 2, 3, 4})});
    BOOST_REQUIRE(!got);
    BOOST_TEST((got.error().code == ec::bad_request));
    BOOST_TEST(got.error().message.find("f32, f16 or bf16") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(the_shapes_of_the_answer_are_known_before_the_work) {
  reply_type = dtype::bf16;
  facts->cond_width = 8;
  auto shapes = test::value(tokens({row({1, 2, 3, 4})})).todo->reply_shapes();
  BOOST_REQUIRE_EQUAL(shapes.size(), 2U);
  BOOST_TEST(shapes[0].name == "cond");
  BOOST_TEST((shapes[0].type == dtype::bf16));
  BOOST_TEST(shapes[0].shape == (std::vector<int64_t>{1, 4, 8}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
