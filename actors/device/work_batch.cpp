#include "actors/device/work_batch.hpp"

#include <atomic>
#include <list>
#include <optional>
#include <stop_token>
#include <utility>

namespace luna {

namespace {

constexpr std::chrono::milliseconds progress_pace{100};

} // namespace

struct work_batch::parts {
  const work_order& order;
  progress_sender send;
  time_source now;
  models::run_context context;
  std::vector<size_t> live; ///< indices of items that were wanted at the start
  std::vector<std::optional<result<models::work_answer>>> answers;
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

  void run(models::loaded_model& model) {
    std::vector<const models::work*> batch;
    for (auto i : live)
      batch.push_back(order.items[i].work.get());
    auto done = batch.front()->run(batch, model, context);
    for (size_t n = 0; n < live.size(); ++n) {
      auto& answer = answers[live[n]] = std::move(done.at(n));
      if (!*answer)
        continue;
      auto warnings = order.items[live[n]].warnings;
      add_warnings(warnings, std::move((*answer)->warnings));
      (*answer)->warnings = std::move(warnings);
    }
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
  parts_->run(model);
}

std::vector<result<models::work_answer>> work_batch::take_answers() {
  answer_rest({ec::internal, "the model gave no answer", 0, {}});
  std::vector<result<models::work_answer>> answers;
  for (auto& answer : parts_->answers)
    answers.push_back(std::move(*answer));
  return answers;
}

} // namespace luna
