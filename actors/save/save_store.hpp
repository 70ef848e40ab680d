#pragma once

#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/save/save_parts.hpp"
#include "actors/support/thread_policy.hpp"
#include "storage/job_store.hpp"
#include "storage/target.hpp"

namespace luna {

struct save_store_options {
  std::unique_ptr<storage::job_store> store;
  std::shared_ptr<const storage::target_table> targets;
  uint32_t min_workers = 2;
  uint32_t max_workers = 4;
  std::chrono::milliseconds idle_timeout{300000}; ///< of a worker above min_workers
  event_hub_actor events;                         ///< hears of every change; may be null
  std::function<storage::time_point()> clock;     ///< that of the store
  thread_policy workers = thread_policy::detached;
};

/// The owner of the job log and its workers.
///
/// The problem: many submits wait for one disk. All that came in while it synced share the next
/// sync, and nobody hears of anything before it is durable.
///
/// Contract: whatever the store changes is answered, announced and told to the front after the
/// commit that made it durable; only a `fast` job is answered at once, and its commit follows
/// within moments. At most max_workers attempts run; a worker that crashes fails its attempt.
/// Thread rule: detached, private to the save queue; log and index are touched by no other thread.
struct save_store_state {
  static inline const char* name = "save_store";

  /// The workers end with their store, and who waits for it hears that.
  ~save_store_state();

  struct pending_answer {
    std::string job;
    caf::typed_response_promise<std::string> promise;
    bool submit = false;         ///< answered as submit_async is, else as job_status
    std::optional<bool> changed; ///< what a request to change the job did
    std::string last;            ///< the answer, of a job that is forgotten
  };

  struct pending_record {
    caf::typed_response_promise<bool> promise;
  };

  struct worker {
    save_worker_actor handle;
    std::string job; ///< empty: idle
    std::chrono::steady_clock::time_point idle_since{};
  };

  std::shared_ptr<save_store_options> options;
  std::unique_ptr<storage::job_store> store;
  save_front_actor front;
  std::vector<pending_answer> answers; ///< wait for the next commit
  std::vector<pending_record> records; ///< wait for the next commit
  std::set<std::string> changed;       ///< jobs to tell of after the next commit
  bool commit_scheduled = false;
  bool commit_soon = false; ///< a commit comes after a short pause
  std::map<caf::actor_addr, worker> workers;
  std::map<std::string, save_lister_actor> listers; ///< by remote target, made when needed
  bool draining = false;
  std::vector<caf::typed_response_promise<bool>> drained;
  std::optional<storage::time_point> due; ///< of the pending wake-up
};

/// Runs the store.
/// @param front told of every job that changes.
save_store_actor::behavior_type
save_store(save_store_actor::stateful_pointer<save_store_state> self,
           std::shared_ptr<save_store_options> options, save_front_actor front);

} // namespace luna
