#pragma once

#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <cstdint>
#include <string>

#include "messages/actors.hpp"

namespace luna {

/// The JOB WAITER interface. Inside a session.
using job_waiter_actor = caf::typed_actor<
  // Waits for the job; answers once, like the save queue's wait.
  caf::replies_to<wait_atom>::with<std::string>,
  // Nobody wants the answer any more: it is `cancelled`.
  caf::reacts_to<drop_atom>>;

/// Waits for one save job on behalf of a session.
///
/// The problem: a job_wait may last a day, and may be given up after a second, a thousand times on
/// one connection. What it leaves in clocks, in this node's maps and on the saving node has to go
/// with it. So each wait is an actor of its own: when it ends, CAF takes its timers back and the
/// save queue, wherever it is, hears that who waited is gone.
///
/// Contract: ends with its one answer. Thread rule: scheduled, never blocks.
/// @param patience how long the queue may take to answer.
job_waiter_actor::behavior_type job_waiter(job_waiter_actor::pointer self, save_queue_actor queue,
                                           std::string job, uint32_t timeout_ms,
                                           std::chrono::milliseconds patience);

} // namespace luna
