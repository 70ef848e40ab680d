#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "actors/catalog/model_catalog.hpp"
#include "actors/device/worker_actor.hpp"
#include "base/attention_mode.hpp"
#include "base/result.hpp"
#include "base/warning.hpp"
#include "messages/actors.hpp"
#include "messages/model_task.hpp"
#include "models/work.hpp"

// How work gets onto a device: a pool asks the device_manager for a lease, gives the device's
// worker a work_order under it, and ends the lease with what the work_report says. All of it stays
// inside one process.

namespace luna {

/// What one piece of work needs of a device, asked for once and as a whole.
struct lease_request {
  uint64_t id = 0; ///< chosen by the asker from next_task_id(); also the lease's id
  std::shared_ptr<const resolved_model> model;
  std::string key; ///< of the model as it is loaded: resolved_model::key and the precision

  uint64_t weight_bytes = 0;  ///< of the model, if it must be loaded
  uint64_t working_bytes = 0; ///< beside the weights

  /// Enough at a pinch (a VAE in tiles); granted if `working_bytes` can never fit. 0: no less will
  /// do.
  uint64_t min_working_bytes = 0;

  /// With so much the work would take more along; granted as far as nobody else has it now, without
  /// unloading anything. 0: `working_bytes`.
  uint64_t useful_working_bytes = 0;

  /// Memory ran out although it should have sufficed: every model that nobody uses is unloaded
  /// first.
  bool make_room = false;

  int8_t priority = 0;
  std::chrono::steady_clock::time_point deadline{}; ///< by then it is granted or `timeout`
};

/// Leave to use a device, until it is released or its holder is gone.
struct lease_grant {
  uint64_t id = 0;
  worker_actor worker;
  uint64_t working_bytes = 0; ///< memory beside the weights that the work may use
  std::shared_ptr<const std::atomic<attention_mode>> attention; ///< read at each attention call
};

/// What a release says of the weights when the work never ran: they are as they were before.
inline constexpr uint64_t weights_unchanged = UINT64_MAX;

/// One task of a batch, ready to run.
struct work_item {
  uint64_t task = 0;
  std::shared_ptr<const models::work> work;
  std::stop_token stop;
  progress_actor listener;       ///< null: nobody wants to hear
  std::vector<warning> warnings; ///< of what came before the work, for the answer
};

/// A batch for one model, of works that join each other.
struct work_order {
  uint64_t lease = 0;
  std::shared_ptr<const resolved_model> model;
  std::string key; ///< as in lease_request
  std::string precision = "exact";
  uint64_t working_bytes = 0; ///< for the net alone: as granted, less inputs and results
  bool last_try = false;      ///< other models are gone already: run_context::last_try
  std::shared_ptr<const std::atomic<attention_mode>> attention;
  std::vector<work_item> items;
};

/// How a batch went.
struct work_report {
  std::vector<result<models::work_answer>> answers; ///< one an item, in order
  uint64_t weight_bytes = 0; ///< of the model as measured; 0: it is not loaded
};

} // namespace luna
