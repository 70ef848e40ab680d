#include <boost/test/unit_test.hpp>

#include <cmath>
#include <functional>

#include "models/family.hpp"
#include "models/text/clip_layout.hpp"
#include "support.hpp"

using namespace luna;
using namespace luna::models;

namespace {

model_facts facts_of_clip() {
  model_facts facts;
  facts.family = "clip_l";
  facts.token_keys = {"l"};
  facts.layers = 12;
  facts.served_by = &clip_family;
  facts.own = clip_facts{{.key = "l",
                          .layers = 12,
                          .width = 768,
                          .heads = 12,
                          .inner = 3072,
                          .vocabulary = 49408,
                          .positions = 77}};
  return facts;
}

text_job empty_job() {
  text_job job;
  job.tokens["l"] = {token_chunk(77, {49407})};
  job.embeddings = {test::floats({2, 4}, std::vector<float>(8))};
  return job;
}

void refuse(ec code, std::string_view part, const std::function<void(text_job&)>& change) {
  auto job = empty_job();
  change(job);
  auto got = check_text_job(facts_of_clip(), job);
  BOOST_REQUIRE(!got);
  BOOST_CHECK_MESSAGE(got.error().code == code, got.error().message);
  BOOST_CHECK_MESSAGE(got.error().message.find(part) != std::string::npos, got.error().message);
}

} // namespace

BOOST_AUTO_TEST_SUITE(clip_family_test)

BOOST_AUTO_TEST_CASE(a_proper_job_passes) {
  auto job = empty_job();
  BOOST_TEST(check_text_job(facts_of_clip(), job).has_value());
  for (auto layer : {-1, -2, -12, -13, -24}) {
    job.layer = layer;
    BOOST_TEST(check_text_job(facts_of_clip(), job).has_value());
  }
  job.tokens["l"][0][5] = {0, 1.5, 0, 1, 0};
  BOOST_TEST(check_text_job(facts_of_clip(), job).has_value());
}

BOOST_AUTO_TEST_CASE(a_weight_that_is_infinite_in_f32_is_refused_with_its_place) {
  for (auto weight : {1e39, -1e39, double{INFINITY}, double{NAN}})
    refuse(ec::bad_request, "token 3 of chunk 0 of 'l' has a weight",
           [&](text_job& job) { job.tokens["l"][0][3].weight = weight; });
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_named) {
  refuse(ec::bad_request, "layer 0", [](auto& job) { job.layer = 0; });
  refuse(ec::bad_request, "layer 3", [](auto& job) { job.layer = 3; });
  refuse(ec::bad_request, "layer -25", [](auto& job) { job.layer = -25; });
  refuse(ec::model_mismatch, "'l'", [](auto& job) { job.tokens.clear(); });
  refuse(ec::model_mismatch, "'g'", [](auto& job) { job.tokens["g"] = job.tokens["l"]; });
  refuse(ec::bad_request, "0 chunks", [](auto& job) { job.tokens["l"].clear(); });
  refuse(ec::bad_request, "5000 chunks",
         [](auto& job) { job.tokens["l"].resize(5000, job.tokens["l"][0]); });
  refuse(ec::model_mismatch, "76 tokens", [](auto& job) { job.tokens["l"][0].pop_back(); });
  refuse(ec::model_mismatch, "token 7 of chunk 0",
         [](auto& job) { job.tokens["l"][0][7].id = 49408; });
  refuse(ec::model_mismatch, "-1", [](auto& job) { job.tokens["l"][0][7].id = -1; });
  refuse(ec::bad_request, "weight", [](auto& job) { job.tokens["l"][0][7].weight = INFINITY; });
  refuse(ec::bad_request, "weight", [](auto& job) { job.tokens["l"][0][7].weight = NAN; });
  refuse(ec::bad_request, "not in the request",
         [](auto& job) { job.tokens["l"][0][7].embedding = 1; });
  refuse(ec::bad_request, "row 2", [](auto& job) { job.tokens["l"][0][7] = {0, 1.0, 0, 2, 0}; });
  refuse(ec::bad_request, "row -1", [](auto& job) { job.tokens["l"][0][7] = {0, 1.0, 0, -1, 0}; });
  refuse(ec::bad_request, "embedding 0",
         [](auto& job) { job.embeddings[0] = test::floats({2, 2, 2}, std::vector<float>(8)); });
  refuse(ec::bad_request, "embedding 0",
         [](auto& job) { job.embeddings[0] = test::floats({0, 4}, {}); });
  refuse(ec::bad_request, "u8",
         [](auto& job) { job.embeddings[0] = test::pattern_image(2, 2, 1, 0); });
}

BOOST_AUTO_TEST_CASE(the_estimate_grows_with_chunks_and_weights) {
  auto job = empty_job();
  auto one = estimate_working_bytes(facts_of_clip(), std::vector{job});
  BOOST_TEST(one > 77U * 768 * 4);
  job.tokens["l"][0][3].weight = 1.2;
  auto weighted = estimate_working_bytes(facts_of_clip(), std::vector{job});
  BOOST_TEST(weighted > one);
  BOOST_TEST(estimate_working_bytes(facts_of_clip(), std::vector{job, job}) > weighted);
}

BOOST_AUTO_TEST_SUITE_END()
