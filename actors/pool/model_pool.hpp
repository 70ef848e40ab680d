#pragma once

#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "actors/catalog/catalog_actor.hpp"
#include "actors/device/device_actor.hpp"
#include "actors/device/lease.hpp"
#include "actors/device/worker_actor.hpp"
#include "actors/pool/fair_queue.hpp"
#include "actors/pool/pool_actor.hpp"
#include "actors/pool/pool_stats.hpp"
#include "actors/pool/task_preparer.hpp"
#include "actors/pool/work_kinds.hpp"
#include "actors/support/thread_policy.hpp"
#include "actors/support/wake_up.hpp"
#include "messages/actors.hpp"
#include "messages/cluster.hpp"
#include "messages/model_task.hpp"

namespace luna {

struct pool_options {
  std::string name = "text";
  model_kind kind = model_kind::text;
  std::string device = "cpu"; ///< for messages; the device itself is an argument
  std::string precision = "exact";
  uint32_t queue = 256; ///< tasks that may wait

  /// Text: the folder of vocabularies, and where textual inversions lie.
  std::string vocabularies;
  std::vector<std::string> embedding_folders;

  /// What would answer more bytes of tensors is refused before the work; 0: no limit. Gateways have
  /// the same limit (limits.body), and check again.
  uint64_t max_reply_bytes = 0;

  std::span<const work_kind> kinds = work_kinds(); ///< what it can be asked
};

/// The MODEL POOL interface with what it tells itself.
using model_pool_actor = pool_actor::extend<
  // INTERNAL: a task may have reached its deadline.
  caf::reacts_to<expire_atom, uint64_t>>;

/// Where a task of a pool is.
enum class task_phase : uint8_t {
  resolving, ///< the catalog looks for its model
  preparing, ///< the preparer makes work of it, or answers
  queued,    ///< ready to run
  running,
};

/// One accepted task.
struct pool_task {
  std::shared_ptr<const model_task> task;
  const work_kind* kind = nullptr;
  caf::typed_response_promise<model_result> promise;
  task_phase phase = task_phase::resolving;
  std::chrono::steady_clock::time_point accepted{};
  std::chrono::steady_clock::time_point deadline{};
  std::shared_ptr<const resolved_model> model;
  work_item item;         ///< from `queued` on
  uint64_t cost = 0;      ///< of the work
  bool alone = false;     ///< a batch with it was too big for the device
  bool make_room = false; ///< it was too big by itself, beside what else was loaded
  bool replaced = false;  ///< its model's file was replaced before it was loaded, once
  std::stop_source stop;
};

/// Tasks that share a lease. They are chosen when it is granted, from what waits then.
struct pool_batch {
  uint64_t lease = 0;
  uint64_t head = 0;           ///< the task that the lease was asked for: waits until it is granted
  std::vector<uint64_t> tasks; ///< in the order's order; some may have ended meanwhile
  uint64_t tensor_bytes = 0;   ///< of the inputs and results, as counted in the lease
  worker_actor worker;         ///< null: the lease is not granted yet
  std::chrono::steady_clock::time_point started{};
};

/// The front of one kind of models on one device.
///
/// The problem: many clients ask at once for work of which a device does one piece at a time. They
/// want an answer by their deadline, a clear no when there is too much, and the device never idle.
///
/// Contract: every accepted task is answered exactly once, at the latest at its deadline. At most
/// `queue` tasks wait; one more is `overloaded` with a hint from the pool's own pace. Higher
/// priorities go first; within one, clients take turns, and each is served in its order. Tasks of
/// one model that wait when the device is free run as one batch, up to a budget, and nothing waits
/// for a batch to fill. A task that is cancelled or expires is answered at once;
/// if it runs, it is told to stop, and its lease lasts until it has. Nothing answers from another
/// model; a file that is replaced before it is loaded is looked for again, once. A reply that would
/// pass `max_reply_bytes` is refused before the work. The pool quits with `unavailable` (all tasks
/// answered so) when its device or catalog is gone. Thread rule: scheduled, never blocks; prompts
/// are tokenized by a detached helper.
struct model_pool_state {
  static inline const char* name = "model_pool";

  /// Running work stops when the pool is gone.
  ~model_pool_state();

  pool_options options;
  thread_policy helpers = thread_policy::detached;
  catalog_actor catalog;
  device_actor device;
  preparer_actor preparer; ///< of slow kinds; null if the pool has none

  std::map<uint64_t, pool_task> tasks; ///< by task id: all that are not answered
  std::map<int, fair_queue> queues;    ///< ready to run, by priority
  std::map<int, pool_batch> batches;   ///< by priority: waiting for the device, or running
  std::set<std::pair<std::chrono::steady_clock::time_point, uint64_t>> deadlines;
  wake_up wake;
  std::set<caf::actor_addr> watched; ///< workers

  pool_stats stats;
  bool draining = false;
  std::vector<caf::typed_response_promise<bool>> drained;
};

/// Runs a pool.
/// @param helpers how the private preparer is spawned.
model_pool_actor::behavior_type
model_pool(model_pool_actor::stateful_pointer<model_pool_state> self, pool_options options,
           catalog_actor catalog, device_actor device,
           thread_policy helpers = thread_policy::detached);

} // namespace luna
