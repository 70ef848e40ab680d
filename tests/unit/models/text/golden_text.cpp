#include "golden_text.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>

#include "models/prompt/sdxl_prompt.hpp"
#include "support.hpp"

namespace luna::test {

using namespace models;

namespace {

std::shared_ptr<const embedding_source> embeddings() {
  return make_embedding_folders({LUNA_TEST_MODELS "/embeddings"});
}

/// Different prompts for l and g: as the golden file's ids are, balanced or not.
text_job job_of_pair(const model_facts& facts, const nlohmann::json& asked, bool balanced) {
  auto tokenizer = value(make_tokenizer(facts, LUNA_SHARE));
  auto l = asked["prompt_l"].get<std::string>();
  auto g = asked["prompt_g"].get<std::string>();
  if (balanced)
    return job_of(value(tokenize_pair(*tokenizer, l, g, embeddings().get())));
  auto job = job_of(value(tokenizer->tokenize(l)));
  job.tokens["g"] = value(tokenizer->tokenize(g)).tokens["g"];
  return job;
}

text_job job_of_case(const model_facts& facts, const nlohmann::json& asked, bool balanced) {
  auto job = asked.contains("prompt_l") ? job_of_pair(facts, asked, balanced)
                                        : job_of_prompt(facts, asked["prompt"].get<std::string>());
  if (asked.contains("layer"))
    job.layer = asked["layer"].get<int>();
  job.projected = !asked.value("unprojected", false);
  return job;
}

} // namespace

text_job job_of_prompt(const model_facts& facts, std::string_view prompt) {
  auto tokenizer = value(make_tokenizer(facts, LUNA_SHARE));
  return job_of(value(tokenizer->tokenize(prompt, embeddings().get())));
}

text_output encode(text_encoder& encoder, const text_job& job, const run_context& context) {
  return value(encoder.encode({&job, 1}, context).at(0));
}

double run_golden_text(text_encoder& encoder, std::string_view name, double tolerance,
                       const run_context& context) {
  auto golden = read_golden(std::string{LUNA_TEST_DATA "/models/"} + std::string{name});
  double worst = 0;
  auto cases = nlohmann::json::parse(golden.cases);
  BOOST_REQUIRE(!cases.empty());
  for (auto& [title, asked] : cases.items()) {
    auto* l_ids = find_tensor(golden.tensors, title + ".l_ids");
    auto* g_ids = find_tensor(golden.tensors, title + ".g_ids");
    auto balanced = l_ids != nullptr && g_ids != nullptr && l_ids->dim(0) == g_ids->dim(0);
    auto got = encode(encoder, job_of_case(encoder.facts(), asked, balanced), context);
    for (auto& [what, block] :
         {std::pair<std::string, tensor_block>{"cond", got.cond}, {"pooled", got.pooled.value()}}) {
      auto* want = find_tensor(golden.tensors, title + "." + what);
      if (want == nullptr)
        continue; // the case asks for less
      auto error = largest_error(block, *want);
      BOOST_CHECK_MESSAGE(error <= tolerance, title << ": " << what << " is off by " << error);
      worst = std::max(worst, error);
    }
  }
  return worst;
}

} // namespace luna::test
