#pragma once

#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/save/save_parts.hpp"
#include "actors/support/thread_policy.hpp"
#include "actors/support/wake_up.hpp"
#include "base/result.hpp"
#include "storage/file_system.hpp"
#include "storage/job_store.hpp"
#include "storage/target.hpp"

namespace luna {

/// What a save queue is started with.
struct save_queue_options {
  std::shared_ptr<storage::file_system> files;
  std::shared_ptr<storage::directory> data; ///< of the node; locked by the caller
  std::vector<std::string> output_folders;  ///< absolute; nothing is written outside of them
  std::map<std::string, std::shared_ptr<storage::remote_target>> targets; ///< by name
  storage::job_store_options store; ///< its workers and lanes are filled in
  uint32_t min_workers = 2;
  uint32_t max_workers = 4;
  std::chrono::milliseconds idle_timeout{300000};
  event_hub_actor events;
  thread_policy helpers = thread_policy::detached;
};

/// The front of the save service.
///
/// The problem: an artist must not wait for encoders and disks, and what was acknowledged must come
/// to be. The store behind this actor sees to the second; this actor keeps everything that waits
/// away from it.
///
/// Contract: a submit is answered when the job is durable. `wait` answers when the job is at an
/// end, its time is over or whoever waits is gone, and leaves nothing behind. When the
/// store dies, this actor does, too: the node manager starts both again, and the log tells what was
/// accepted. Thread rule: scheduled, never blocks.
struct save_queue_state {
  static inline const char* name = "save_queue";

  /// Who waits hears that the queue has ended.
  ~save_queue_state();

  /// Who waits, and the number of its request.
  using waiter_key = std::pair<caf::actor_addr, uint64_t>;

  struct waiter {
    std::string job;
    caf::typed_response_promise<std::string> promise;
    wake_up::time_point deadline{};
    bool over = false; ///< the store is being asked for the last time
  };

  std::map<waiter_key, waiter> waiters;
  wake_up wake;           ///< for their deadlines
  save_store_actor store; ///< not the first member: CAF would take the state as made from its actor
  save_intake_actor intake;
  bool draining = false;
};

/// Opens the store (it recovers: this reads the log) and starts the queue.
/// @returns why the store or an output folder cannot be used.
result<save_front_actor> start_save_queue(caf::actor_system& system, save_queue_options options);

} // namespace luna
