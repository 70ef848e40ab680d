#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "actors/device/lease.hpp"
#include "base/result.hpp"
#include "models/loaded_model.hpp"
#include "models/run_context.hpp"

namespace luna {

/// Sends one item's progress.
using progress_sender = std::function<void(const work_item&, task_progress)>;

/// Tells the time, for the pace of progress.
using time_source = std::function<std::chrono::steady_clock::time_point()>;

/// The items of an order that are still wanted, as the model code sees them: one run with one stop
/// token, which is set once every one of them is stopped.
///
/// Thread rule: made, used and destroyed on the worker's thread; stop tokens may fire on any.
class work_batch {
public:
  work_batch(const work_order& order, progress_sender send, time_source now);
  ~work_batch();
  work_batch(const work_batch&) = delete;
  work_batch& operator=(const work_batch&) = delete;

  /// What load and encode are called with.
  const models::run_context& context() const;

  /// Whether somebody still wants an answer.
  bool wanted() const;

  /// Gives the same answer to all that have none yet.
  void answer_rest(const failure& problem);

  /// Runs the order's items on its model, which is loaded. @pre wanted()
  void run(models::loaded_model& model);

  /// One an item, in order; every one is there.
  std::vector<result<models::work_answer>> take_answers();

private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

} // namespace luna
