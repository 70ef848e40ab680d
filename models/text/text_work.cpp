#include "models/text/text_work.hpp"

#include <iterator>
#include <utility>

#include "models/prompt/sdxl_prompt.hpp"
#include "models/text/text_encoder.hpp"
#include "models/tokenizers/tokenizer.hpp"

namespace luna::models {

namespace {

using text_results = std::vector<result<text_output>>;

/// One prompt, or the positive and the negative one.
class text_work : public work {
public:
  text_work(std::shared_ptr<const model_facts> facts, dtype reply_type, std::vector<text_job> jobs)
    : facts_(std::move(facts)), reply_type_(reply_type), jobs_(std::move(jobs)) {}

  uint64_t cost() const override {
    uint64_t tokens = 0;
    for (auto& job : jobs_)
      for (auto& [key, chunks] : job.tokens)
        for (auto& chunk : chunks)
          tokens += chunk.size();
    return tokens;
  }

  std::vector<tensor_shape> reply_shapes() const override {
    std::vector<tensor_shape> reply;
    for (auto& job : jobs_) {
      auto shapes = text_output_shapes(*facts_, job);
      auto negative = !reply.empty();
      reply.push_back({negative ? "uncond" : "cond", reply_type_, shapes.cond});
      if (shapes.pooled)
        reply.push_back({negative ? "pooled_neg" : "pooled", reply_type_, *shapes.pooled});
    }
    return reply;
  }

  bool joins(const work& other) const override {
    return dynamic_cast<const text_work*>(&other) != nullptr;
  }

  work_needs needs(std::span<const work* const> batch) const override {
    return {estimate_working_bytes(*facts_, jobs_of(batch)), 0, 0};
  }

  std::vector<result<work_answer>> run(std::span<const work* const> batch, loaded_model& model,
                                       const run_context& context) const override {
    auto outputs = dynamic_cast<text_encoder&>(model).encode(jobs_of(batch), context);
    auto next = outputs.cbegin();
    std::vector<result<work_answer>> answers;
    for (auto* work : batch) {
      auto& text = static_cast<const text_work&>(*work);
      answers.push_back(text.answer(next));
      std::advance(next, text.jobs_.size());
    }
    return answers;
  }

private:
  static std::vector<text_job> jobs_of(std::span<const work* const> batch) {
    std::vector<text_job> jobs;
    for (auto* work : batch) {
      auto& own = static_cast<const text_work&>(*work).jobs_;
      jobs.insert(jobs.end(), own.begin(), own.end());
    }
    return jobs;
  }

  result<void> add(work_answer& answer, const text_output& output, bool negative) const {
    auto name = [&](const char* of_positive, const char* of_negative) {
      return negative ? of_negative : of_positive;
    };
    if (auto ok = add_reply(answer, name("cond", "uncond"), output.cond, reply_type_); !ok)
      return ok;
    if (output.pooled)
      if (auto ok = add_reply(answer, name("pooled", "pooled_neg"), *output.pooled, reply_type_);
          !ok)
        return ok;
    if (output.attention_mask)
      return add_reply(answer, name("attention_mask", "attention_mask_neg"), *output.attention_mask,
                       reply_type_);
    return {};
  }

  result<work_answer> answer(text_results::const_iterator outputs) const {
    work_answer answer;
    for (size_t i = 0; i < jobs_.size(); ++i, ++outputs) {
      if (!*outputs)
        return fail(*outputs);
      if (auto ok = add(answer, **outputs, i == 1); !ok)
        return fail(ok);
      add_warnings(answer.warnings, (*outputs)->warnings);
    }
    return answer;
  }

  std::shared_ptr<const model_facts> facts_;
  dtype reply_type_;
  std::vector<text_job> jobs_;
};

/// Adds what the arguments say of the layer, and checks the job against its model.
result<void> add_job(std::vector<text_job>& jobs, const preparation& request,
                     const text_layer& layer, text_job job) {
  if (layer.chosen)
    job.layer = layer.layer;
  job.projected = layer.projected;
  if (auto ok = check_text_job(*request.facts, job); !ok)
    return ok;
  jobs.push_back(std::move(job));
  return {};
}

result<prepared_work> work_of(const preparation& request, std::vector<text_job> jobs,
                              std::vector<warning> warnings = {}) {
  auto work = std::make_shared<const text_work>(request.facts, request.reply_type, std::move(jobs));
  return prepared_work{std::move(work), {{}, std::move(warnings), {}}};
}

/// The chunks in the order in which ComfyUI's dictionary has them: the model's own.
std::vector<keyed_chunks> in_order(const model_facts& facts, text_tokens tokens) {
  std::vector<keyed_chunks> ordered;
  for (auto& key : facts.token_keys)
    if (auto i = tokens.find(key); i != tokens.end())
      ordered.push_back({key, std::move(i->second)});
  return ordered;
}

} // namespace

result<prepared_work> prepare_tokenize(const tokenize_arguments& arguments,
                                       const preparation& request) {
  auto tokenizer = make_tokenizer(*request.facts, request.vocabularies);
  if (!tokenizer)
    return fail(tokenizer);
  auto text = (*tokenizer)->tokenize(arguments.text, request.embeddings, arguments.cleanup);
  if (!text)
    return fail(text);
  tokenize_answer told{in_order(*request.facts, std::move(text->tokens)), {}};
  for (auto& x : text->embeddings)
    told.embeddings.push_back(x.name);
  return prepared_work{nullptr,
                       {std::move(text->embeddings), std::move(text->warnings), std::move(told)}};
}

result<prepared_work> prepare_prompts(const prompt_arguments& arguments,
                                      const preparation& request) {
  if (auto ok = check_reply_type(request, false); !ok)
    return fail(ok);
  auto tokenizer = make_tokenizer(*request.facts, request.vocabularies);
  if (!tokenizer)
    return fail(tokenizer);
  std::vector<text_job> jobs;
  std::vector<warning> warnings;
  auto add = [&](const std::string& prompt, const std::string& prompt_l) -> result<void> {
    auto text =
      arguments.pair
        ? tokenize_pair(**tokenizer, prompt_l, prompt, request.embeddings, arguments.cleanup)
        : (*tokenizer)->tokenize(prompt, request.embeddings, arguments.cleanup);
    if (!text)
      return fail(text);
    text_job job;
    job.tokens = std::move(text->tokens);
    for (auto& embedding : text->embeddings)
      job.embeddings.push_back(std::move(embedding.tensor));
    add_warnings(warnings, std::move(text->warnings));
    return add_job(jobs, request, arguments.layer, std::move(job));
  };
  auto ok = add(arguments.positive, arguments.positive_l);
  if (ok && arguments.wants_negative)
    ok = add(arguments.negative, arguments.negative_l);
  if (!ok)
    return fail(ok);
  return work_of(request, std::move(jobs), std::move(warnings));
}

result<prepared_work> prepare_tokens(const token_arguments& arguments, const preparation& request) {
  if (auto ok = check_reply_type(request, false); !ok)
    return fail(ok);
  text_job job;
  for (auto& [key, chunks] : arguments.tokens)
    if (!job.tokens.emplace(key, chunks).second)
      return fail(ec::bad_request, "the tokens have the key '" + key + "' twice");
  for (auto& name : arguments.embeddings) {
    auto* tensor = find_tensor(request.tensors, name);
    if (tensor == nullptr)
      return fail(ec::bad_request, "a token names the embedding tensor '" + name
                                     + "', which the body does not have");
    job.embeddings.push_back(*tensor);
  }
  std::vector<text_job> jobs;
  if (auto ok = add_job(jobs, request, arguments.layer, std::move(job)); !ok)
    return fail(ok);
  return work_of(request, std::move(jobs));
}

} // namespace luna::models
