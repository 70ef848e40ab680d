#include "actors/pool/task_preparer.hpp"

#include <caf/all.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <new>
#include <utility>

#include "actors/pool/warning_json.hpp"
#include "actors/support/actor_defaults.hpp"
#include "messages/error.hpp"
#include "models/prompt/sdxl_prompt.hpp"
#include "models/run_context.hpp"
#include "models/tokenizers/tokenizer.hpp"

namespace luna {

namespace {

using self_pointer = preparer_actor::stateful_pointer<task_preparer_state>;
using json = nlohmann::ordered_json;

// -- between the message's tokens and the model's
// ---------------------------------------------------

token_chunks chunks_of(const std::string& key, const std::vector<models::token_chunk>& chunks,
                       const std::vector<named_tensor>& embeddings) {
  token_chunks result{key, {}};
  for (auto& chunk : chunks) {
    auto& row = result.chunks.emplace_back();
    row.reserve(chunk.size());
    for (auto& x : chunk) {
      auto& y = row.emplace_back();
      y.id = x.id;
      y.weight.value = x.weight;
      y.word = x.word;
      y.row = x.row;
      if (x.embedding >= 0)
        y.embedding = embeddings.at(static_cast<size_t>(x.embedding)).name;
    }
  }
  return result;
}

/// The order of a dictionary as ComfyUI has it: the model's own.
std::vector<token_chunks> ordered_chunks(const models::model_facts& facts,
                                         const models::tokenized_text& text) {
  std::vector<token_chunks> result;
  for (auto& key : facts.token_keys)
    if (auto i = text.tokens.find(key); i != text.tokens.end())
      result.push_back(chunks_of(key, i->second, text.embeddings));
  return result;
}

/// The index of a body tensor among a job's embeddings.
result<int32_t> embedding_index(models::text_job& job, std::vector<std::string>& names,
                                const std::vector<named_tensor>& tensors, const std::string& name) {
  auto known = std::find(names.begin(), names.end(), name);
  if (known != names.end())
    return static_cast<int32_t>(known - names.begin());
  auto* tensor = find_tensor(tensors, name);
  if (!tensor)
    return fail(ec::bad_request,
                "a token names the embedding tensor '" + name + "', which the body does not have");
  names.push_back(name);
  job.embeddings.push_back(*tensor);
  return static_cast<int32_t>(names.size() - 1);
}

result<models::text_job> job_of_tokens(const std::vector<token_chunks>& tokens,
                                       const std::vector<named_tensor>& tensors) {
  models::text_job job;
  std::vector<std::string> names;
  for (auto& [key, chunks] : tokens) {
    auto [place, added] = job.tokens.try_emplace(key);
    if (!added)
      return fail(ec::bad_request, "the tokens have the key '" + key + "' twice");
    for (auto& chunk : chunks) {
      auto& row = place->second.emplace_back();
      row.reserve(chunk.size());
      for (auto& x : chunk) {
        auto& y = row.emplace_back(models::text_token{x.id, x.weight.value, -1, x.row, x.word});
        if (x.embedding.empty())
          continue;
        auto index = embedding_index(job, names, tensors, x.embedding);
        if (!index)
          return fail(index);
        y.embedding = *index;
      }
    }
  }
  return job;
}

// -- one task -------------------------------------------------------------------------------------

result<void> add_job(prepared_task& prepared, const models::model_facts& facts,
                     const text_arguments& arguments, models::text_job job) {
  if (arguments.has_layer)
    job.layer = arguments.layer;
  job.projected = arguments.projected;
  if (auto ok = models::check_text_job(facts, job); !ok)
    return ok;
  for (auto& [key, chunks] : job.tokens)
    for (auto& chunk : chunks)
      prepared.tokens += chunk.size();
  prepared.item.texts.push_back(std::move(job));
  return {};
}

result<void> add_prompt(prepared_task& prepared, const task_preparer_state& state,
                        const models::model_facts& facts, const models::tokenizer& tokenizer,
                        const text_arguments& arguments, const std::string& prompt,
                        const std::string& prompt_l) {
  auto* embeddings = state.embeddings.get();
  auto text = arguments.pair
              ? models::tokenize_pair(tokenizer, prompt_l, prompt, embeddings, arguments.cleanup)
              : tokenizer.tokenize(prompt, embeddings, arguments.cleanup);
  if (!text)
    return fail(text);
  models::text_job job;
  job.tokens = std::move(text->tokens);
  for (auto& embedding : text->embeddings)
    job.embeddings.push_back(std::move(embedding.tensor));
  add_warnings(prepared.item.warnings, std::move(text->warnings));
  return add_job(prepared, facts, arguments, std::move(job));
}

result<void> tokenize(prepared_task& prepared, const task_preparer_state& state,
                      const models::model_facts& facts, const models::tokenizer& tokenizer,
                      const text_arguments& arguments) {
  auto text = tokenizer.tokenize(arguments.positive, state.embeddings.get(), arguments.cleanup);
  if (!text)
    return fail(text);
  prepared.answer.answer.tokens = ordered_chunks(facts, *text);
  prepared.answer.tensors = std::move(text->embeddings);
  auto attributes = json::object();
  if (!text->warnings.empty())
    attributes["warnings"] = text->warnings;
  prepared.answer.answer.attributes =
    attributes.dump(-1, ' ', false, json::error_handler_t::replace);
  return {};
}

result<void> prepare_prompts(prepared_task& prepared, const task_preparer_state& state,
                             const prepare_order& order) {
  auto& facts = order.model->facts;
  auto& arguments = order.task->header.text;
  auto tokenizer = models::make_tokenizer(facts, state.options.vocabularies);
  if (!tokenizer)
    return fail(tokenizer);
  if (order.task->header.kind == task_kind::tokenize)
    return tokenize(prepared, state, facts, **tokenizer, arguments);
  auto ok = add_prompt(prepared, state, facts, **tokenizer, arguments, arguments.positive,
                       arguments.positive_l);
  if (ok && arguments.wants_negative)
    ok = add_prompt(prepared, state, facts, **tokenizer, arguments, arguments.negative,
                    arguments.negative_l);
  return ok;
}

result<void> prepare_tokens(prepared_task& prepared, const prepare_order& order) {
  auto& arguments = order.task->header.text;
  auto job = job_of_tokens(arguments.tokens, order.task->tensors);
  if (!job)
    return fail(job);
  return add_job(prepared, order.model->facts, arguments, std::move(*job));
}

caf::result<std::shared_ptr<prepared_task>> prepare(const task_preparer_state& state,
                                                    const prepare_order& order) {
  if (order.stop.stop_requested())
    return make_error(models::cancelled().value());
  auto prepared = std::make_shared<prepared_task>();
  result<void> ok;
  try {
    ok = order.task->header.kind == task_kind::encode_tokens
         ? prepare_tokens(*prepared, order)
         : prepare_prompts(*prepared, state, order);
  } catch (const std::bad_alloc&) {
    ok = fail(ec::out_of_memory, "the memory did not suffice for the tokens of this prompt");
  }
  if (!ok)
    return make_error(ok.error());
  return prepared;
}

} // namespace

preparer_actor::behavior_type task_preparer(self_pointer self, preparer_options options) {
  set_actor_defaults(self);
  self->state.embeddings = models::make_embedding_folders(
    {options.embedding_folders.begin(), options.embedding_folders.end()});
  self->state.options = std::move(options);
  return {
    [self](run_atom, const std::shared_ptr<const prepare_order>& order) {
      return prepare(self->state, *order);
    },
  };
}

} // namespace luna
