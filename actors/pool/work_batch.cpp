#include "actors/pool/work_batch.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <list>
#include <optional>
#include <stop_token>
#include <utility>

#include "actors/pool/warning_json.hpp"
#include "models/weights/convert.hpp"

namespace luna {

namespace {

using json = nlohmann::ordered_json;

constexpr std::chrono::milliseconds progress_pace{100};

/// Adds a tensor in the type that the request wants.
result<void> add_tensor(model_result& answer, std::string name, const tensor_block& tensor,
                        dtype type, bool is_image = false) {
  auto converted = models::convert_reply(tensor, type, is_image);
  if (!converted) {
    auto why = converted.error();
    why.message =
      "'" + name + "' cannot be sent as " + std::string{to_string(type)} + ": " + why.message;
    return tl::make_unexpected(std::move(why));
  }
  answer.tensors.push_back({std::move(name), std::move(*converted)});
  return {};
}

json attributes_of(const std::vector<warning>& warnings) {
  auto attributes = json::object();
  if (!warnings.empty())
    attributes["warnings"] = warnings;
  return attributes;
}

std::string dump(const json& x) {
  return x.dump(-1, ' ', false, json::error_handler_t::replace);
}

result<void> add_text(model_result& answer, const models::text_output& output, dtype type,
                      bool negative) {
  if (auto ok = add_tensor(answer, negative ? "uncond" : "cond", output.cond, type); !ok)
    return ok;
  if (output.pooled)
    if (auto ok = add_tensor(answer, negative ? "pooled_neg" : "pooled", *output.pooled, type); !ok)
      return ok;
  if (output.attention_mask) // integers: no request changes their type
    answer.tensors.push_back(
      {negative ? "attention_mask_neg" : "attention_mask", *output.attention_mask});
  return {};
}

using text_results = std::vector<result<models::text_output>>;

/// The answer to one item from its one or two outputs.
result<model_result> text_answer(const work_item& item, text_results::const_iterator outputs) {
  model_result answer;
  auto warnings = item.warnings;
  for (size_t i = 0; i < item.texts.size(); ++i, ++outputs) {
    if (!*outputs)
      return fail(*outputs);
    if (auto ok = add_text(answer, **outputs, item.reply_type, i == 1); !ok)
      return fail(ok);
    add_warnings(warnings, (*outputs)->warnings);
  }
  answer.answer.attributes = dump(attributes_of(warnings));
  return answer;
}

result<model_result> vae_answer(const work_item& item, const result<models::vae_output>& output) {
  if (!output)
    return fail(output);
  model_result answer;
  auto decode = item.kind == task_kind::vae_decode;
  if (auto ok =
        add_tensor(answer, decode ? "images" : "latents", output->tensor, item.reply_type, decode);
      !ok)
    return fail(ok);
  auto warnings = item.warnings;
  add_warnings(warnings, output->warnings);
  json attributes{{"tiled", output->tiled}, {"tiles", output->tiles}};
  attributes.update(attributes_of(warnings));
  answer.answer.attributes = dump(attributes);
  return answer;
}

} // namespace

struct work_batch::parts {
  const work_order& order;
  progress_sender send;
  time_source now;
  models::run_context context;
  std::vector<size_t> live; ///< indices of items that were wanted at the start
  std::vector<std::optional<result<model_result>>> answers;
  std::optional<std::chrono::steady_clock::time_point> told_at;

  std::stop_source all;
  std::atomic<size_t> wanted{0};
  /// Last, so that no callback runs into parts that are gone.
  std::list<std::stop_callback<std::function<void()>>> callbacks;

  explicit parts(const work_order& x) : order(x), answers(x.items.size()) {}

  void report(std::string_view stage, uint64_t value, uint64_t max) {
    auto time = now();
    if (told_at && time - *told_at < progress_pace)
      return;
    told_at = time;
    for (auto i : live)
      if (auto& item = order.items[i]; item.listener && !item.stop.stop_requested())
        send(item, {item.task, std::string{stage}, value, max});
  }

  void run_texts(models::text_encoder& encoder) {
    std::vector<models::text_job> jobs;
    for (auto i : live)
      jobs.insert(jobs.end(), order.items[i].texts.begin(), order.items[i].texts.end());
    auto outputs = encoder.encode(jobs, context);
    auto next = outputs.cbegin();
    for (auto i : live) {
      answers[i] = text_answer(order.items[i], next);
      std::advance(next, order.items[i].texts.size());
    }
  }

  void run_images(models::vae& vae) {
    std::vector<models::vae_job> jobs;
    for (auto i : live)
      jobs.push_back(order.items[i].vae);
    auto decode = order.items[live.front()].kind == task_kind::vae_decode;
    auto outputs = decode ? vae.decode(jobs, context) : vae.encode(jobs, context);
    for (size_t n = 0; n < live.size(); ++n)
      answers[live[n]] = vae_answer(order.items[live[n]], outputs.at(n));
  }
};

work_batch::work_batch(const work_order& order, progress_sender send, time_source now)
  : parts_(std::make_unique<parts>(order)) {
  auto& p = *parts_;
  p.send = std::move(send);
  p.now = std::move(now);
  for (size_t i = 0; i < order.items.size(); ++i)
    if (order.items[i].stop.stop_requested())
      p.answers[i] = tl::make_unexpected(models::cancelled().value());
    else
      p.live.push_back(i);
  p.wanted = p.live.size();
  if (p.live.empty())
    p.all.request_stop();
  for (auto i : p.live)
    p.callbacks.emplace_back(order.items[i].stop, [&p] {
      if (p.wanted.fetch_sub(1) == 1)
        p.all.request_stop();
    });
  p.context.stop = p.all.get_token();
  p.context.attention = order.attention.get();
  p.context.working_bytes = order.working_bytes;
  p.context.last_try = order.last_try;
  p.context.progress = [&p](std::string_view stage, uint64_t value, uint64_t max) {
    p.report(stage, value, max);
  };
}

work_batch::~work_batch() = default;

const models::run_context& work_batch::context() const {
  return parts_->context;
}

bool work_batch::wanted() const {
  return !parts_->all.stop_requested();
}

void work_batch::answer_rest(const failure& problem) {
  for (auto& answer : parts_->answers)
    if (!answer)
      answer = tl::make_unexpected(problem);
}

void work_batch::run(models::loaded_model& model) {
  if (auto* encoder = dynamic_cast<models::text_encoder*>(&model))
    parts_->run_texts(*encoder);
  else if (auto* vae = dynamic_cast<models::vae*>(&model))
    parts_->run_images(*vae);
}

std::vector<result<model_result>> work_batch::take_answers() {
  answer_rest({ec::internal, "the model gave no answer", 0, {}});
  std::vector<result<model_result>> answers;
  for (auto& answer : parts_->answers)
    answers.push_back(std::move(*answer));
  return answers;
}

} // namespace luna
