#include "models/text/text_encoder.hpp"

#include "models/family.hpp"

namespace luna::models {

namespace {

result<const text_family*> family_of(const model_facts& facts) {
  if (facts.served_by == nullptr || facts.served_by->text == nullptr)
    return fail(ec::unsupported_model, "this build does not serve the text family " + facts.family);
  return facts.served_by->text;
}

} // namespace

result<std::shared_ptr<const tokenizer>> make_tokenizer(const model_facts& facts,
                                                        const std::filesystem::path& share) {
  auto family = family_of(facts);
  if (!family)
    return fail(family);
  return (*family)->make_tokenizer(facts, share);
}

result<void> check_text_job(const model_facts& facts, const text_job& job) {
  auto family = family_of(facts);
  if (!family)
    return fail(family);
  return (*family)->check_job(facts, job);
}

text_shapes text_output_shapes(const model_facts& facts, const text_job& job) {
  return facts.served_by->text->output_shapes(facts, job);
}

uint64_t estimate_working_bytes(const model_facts& facts, std::span<const text_job> jobs) {
  return facts.served_by->text->working_bytes(facts, jobs);
}

} // namespace luna::models
