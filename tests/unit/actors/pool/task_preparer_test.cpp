#include <limits>

#include "actors/pool/task_preparer.hpp"
#include "fakes.hpp"
#include "fixture.hpp"

using namespace luna;
using namespace luna::testing;

namespace {

using prepared_pointer = std::shared_ptr<prepared_task>;

/// The real CLIP-L as far as the tokenizer is concerned.
std::shared_ptr<resolved_model> clip_model() {
  auto model = fake_model("clip_l", model_kind::text);
  model->facts.type = "stable_diffusion";
  model->facts.towers[0].vocabulary = 49408;
  model->facts.towers[0].positions = 77;
  model->facts.layers = 12;
  return model;
}

struct fixture : actor_fixture {
  preparer_actor uut = system.spawn(task_preparer, preparer_options{LUNA_SHARE, {}});
  std::shared_ptr<resolved_model> model = fake_model("tiny", model_kind::text);
  model_task task;
  std::stop_source stop;

  result<prepared_pointer> prepare() {
    auto order = std::make_shared<const prepare_order>(
      prepare_order{std::make_shared<const model_task>(task), model, stop.get_token()});
    return ask<prepared_pointer>(uut, run_atom_v, order);
  }

  /// A row of four tokens for the tiny model.
  static std::vector<token> row(std::vector<int32_t> ids) {
    std::vector<token> tokens;
    for (auto id : ids)
      tokens.push_back({id, real{1.0}, "", 0, 0});
    return tokens;
  }

  void tokens(std::vector<std::vector<token>> chunks) {
    task.header.kind = task_kind::encode_tokens;
    task.header.text.tokens = {{"l", std::move(chunks)}};
  }

  void prompts(task_kind kind, std::string positive, std::string negative = "") {
    model = clip_model();
    task.header.kind = kind;
    task.header.text.positive = std::move(positive);
    task.header.text.negative = std::move(negative);
  }

  ec code() { return prepare().error().code; }

  ~fixture() { end(uut); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(task_preparer_test, fixture)

BOOST_AUTO_TEST_CASE(given_tokens_become_one_job) {
  tokens({row({1, 2, 3, 4}), row({5, 6, 7, 8})});
  task.header.text.has_layer = true;
  task.header.text.layer = -2;
  task.header.text.projected = false;
  auto x = prepare().value();
  BOOST_TEST(x->tokens == 8u);
  BOOST_REQUIRE_EQUAL(x->item.texts.size(), 1u);
  auto& job = x->item.texts[0];
  BOOST_TEST(job.tokens.at("l").at(1).at(2).id == 7);
  BOOST_TEST((job.layer == -2));
  BOOST_TEST(!job.projected);
}

BOOST_AUTO_TEST_CASE(tokens_of_another_model_are_a_mismatch) {
  tokens({row({1, 2, 3, 100})});
  BOOST_TEST((code() == ec::model_mismatch)); // the vocabulary ends at 99
  tokens({row({1, 2, 3})});
  BOOST_TEST((code() == ec::model_mismatch));
  tokens({row({1, 2, 3, 4})});
  task.header.text.tokens[0].key = "g";
  BOOST_TEST((code() == ec::model_mismatch));
}

BOOST_AUTO_TEST_CASE(malformed_tokens_are_a_bad_request) {
  tokens({row({1, 2, 3, 4})});
  task.header.text.tokens.push_back(task.header.text.tokens[0]);
  BOOST_TEST((code() == ec::bad_request));
  tokens({row({1, 2, 3, 4})});
  task.header.text.tokens[0].chunks[0][0].weight.value = std::numeric_limits<double>::infinity();
  BOOST_TEST((code() == ec::bad_request));
}

BOOST_AUTO_TEST_CASE(a_token_may_stand_for_a_row_of_a_body_tensor) {
  auto chunk = row({1, 2, 3, 4});
  chunk[1].embedding = "style";
  chunk[1].row = 1;
  chunk[2].embedding = "other";
  chunk[3].embedding = "style";
  tokens({chunk});
  std::vector<float> values(16, 1.0f);
  auto block = tensor_block::copy_of(dtype::f32, {2, 8}, std::as_bytes(std::span{values}));
  task.tensors = {{"other", block}, {"style", block}};
  auto x = prepare().value();
  auto& job = x->item.texts[0];
  BOOST_TEST(job.embeddings.size() == 2u);
  auto& got = job.tokens.at("l")[0];
  BOOST_TEST(got[0].embedding == -1);
  BOOST_TEST(got[1].embedding == 0);
  BOOST_TEST(got[1].row == 1);
  BOOST_TEST(got[2].embedding == 1);
  BOOST_TEST(got[3].embedding == 0);
}

BOOST_AUTO_TEST_CASE(an_embedding_that_is_not_in_the_body_is_named) {
  auto chunk = row({1, 2, 3, 4});
  chunk[1].embedding = "style";
  tokens({chunk});
  auto answer = prepare();
  BOOST_TEST((answer.error().code == ec::bad_request));
  BOOST_TEST(answer.error().message.find("'style'") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_stopped_task_is_not_prepared) {
  tokens({row({1, 2, 3, 4})});
  stop.request_stop();
  BOOST_TEST((code() == ec::cancelled));
}

BOOST_AUTO_TEST_CASE(a_prompt_becomes_one_job_and_the_negative_one_another) {
  prompts(task_kind::encode_text, "a cat", "a dog");
  BOOST_TEST(prepare().value()->item.texts.size() == 1u);
  task.header.text.wants_negative = true;
  auto x = prepare().value();
  BOOST_REQUIRE_EQUAL(x->item.texts.size(), 2u);
  BOOST_TEST(x->tokens == 154u);
  auto& positive = x->item.texts[0].tokens.at("l").at(0);
  auto& negative = x->item.texts[1].tokens.at("l").at(0);
  BOOST_TEST(positive[0].id == 49406);
  BOOST_TEST(positive[2].id == 2368); // "cat"
  BOOST_TEST(negative[2].id == 1929); // "dog"
}

BOOST_AUTO_TEST_CASE(sdxls_towers_may_read_different_prompts) {
  prompts(task_kind::encode_text, "a cat", "a cat");
  auto& facts = model->facts;
  facts.towers.push_back(facts.towers[0]);
  facts.towers[1].key = "g";
  facts.towers[1].pad = 0;
  facts.token_keys = {"l", "g"};
  auto& text = task.header.text;
  text.wants_negative = true;
  text.pair = true;
  text.positive_l = "a dog";
  text.negative_l = "a cat";
  auto x = prepare().value();
  BOOST_REQUIRE_EQUAL(x->item.texts.size(), 2u);
  auto second_word = [&](size_t job, const char* key) {
    return x->item.texts[job].tokens.at(key).at(0)[2].id;
  };
  BOOST_TEST(second_word(0, "l") == 1929); // "dog"
  BOOST_TEST(second_word(0, "g") == 2368); // "cat"
  BOOST_TEST(second_word(1, "l") == 2368);
  text.pair = false;
  x = prepare().value();
  BOOST_TEST(second_word(0, "l") == 2368);
}

BOOST_AUTO_TEST_CASE(a_pair_of_prompts_does_not_fit_a_model_of_one_tower) {
  prompts(task_kind::encode_text, "a cat");
  task.header.text.pair = true;
  BOOST_TEST((code() == ec::model_mismatch));
}

BOOST_AUTO_TEST_CASE(tokenize_answers_the_tokens_with_weights_and_words) {
  prompts(task_kind::tokenize, "a (cat:1.5)");
  auto answer = prepare().value()->answer;
  BOOST_TEST(answer.answer.attributes == "{}");
  BOOST_REQUIRE_EQUAL(answer.answer.tokens.size(), 1u);
  BOOST_TEST(answer.answer.tokens[0].key == "l");
  auto& chunk = answer.answer.tokens[0].chunks.at(0);
  BOOST_REQUIRE_EQUAL(chunk.size(), 77u);
  BOOST_TEST(chunk[2].id == 2368);
  BOOST_TEST(chunk[2].weight.value == 1.5);
  BOOST_TEST(chunk[2].word > 0);
}

BOOST_AUTO_TEST_CASE(an_embedding_that_is_not_found_is_a_warning) {
  prompts(task_kind::tokenize, "a embedding:nowhere");
  auto answer = prepare().value()->answer;
  BOOST_TEST(answer.answer.attributes.find("nowhere") != std::string::npos);
  BOOST_TEST(answer.answer.attributes.find(R"("code":"embedding")") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_weight_that_is_infinite_in_f32_is_a_bad_request_with_its_text) {
  for (auto kind : {task_kind::tokenize, task_kind::encode_text}) {
    prompts(kind, "a (cat:1e39)");
    auto got = prepare();
    BOOST_REQUIRE(!got);
    BOOST_TEST((got.error().code == ec::bad_request));
    BOOST_TEST(got.error().message.find("'cat'") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_prompt_is_cleaned_up_as_the_task_says) {
  prompts(task_kind::tokenize, "zero\u200bwidth");
  auto five = prepare().value()->answer.answer.tokens;
  task.header.text.cleanup = text_cleanup::transformers4;
  auto four = prepare().value()->answer.answer.tokens;
  prompts(task_kind::tokenize, "zerowidth");
  BOOST_TEST((four == prepare().value()->answer.answer.tokens));
  BOOST_TEST((four != five));
}

BOOST_AUTO_TEST_CASE(a_family_without_a_tokenizer_is_told) {
  prompts(task_kind::tokenize, "a cat");
  model->facts.family = "t5";
  model->facts.towers.clear();
  BOOST_TEST((code() == ec::unsupported_model));
}

BOOST_AUTO_TEST_SUITE_END()
