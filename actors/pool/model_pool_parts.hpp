#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "actors/pool/model_pool.hpp"
#include "base/result.hpp"

// The parts of model_pool, for its own files: intake (until a task is ready to run), batches
// (leases and work), endings (every way to answer).

namespace luna::pool_parts {

using self_pointer = model_pool_actor::stateful_pointer<model_pool_state>;

/// Local requests answer or fail by the task's deadline; this much later something is broken.
inline constexpr std::chrono::seconds grace{5};

// -- intake (model_pool_intake.cpp) ---------------------------------------------------------------

/// Takes a task on, or says why not.
caf::result<model_result> accept(self_pointer self, model_task& task);

/// Looks for a task's model once more: its file was replaced.
void resolve_again(self_pointer self, uint64_t id);

/// Spawns the preparer if the pool is asked for slow kinds of work.
void spawn_preparer(self_pointer self);

/// The preparer died: its tasks fail, a new one takes over.
void preparer_died(self_pointer self);

// -- batches (model_pool_batches.cpp) -------------------------------------------------------------

/// Puts a prepared task into the queue of its priority.
void enqueue(self_pointer self, uint64_t id);

/// Asks for a lease for what is next in a queue, unless a batch of that priority waits or runs.
void start(self_pointer self, int priority);

/// Takes a task out of the queue that it waits in; if a lease was asked for it, the next one asks.
void leave_queue(self_pointer self, uint64_t id);

/// A worker died: what ran there fails.
void worker_died(self_pointer self, const caf::actor_addr& gone);

// -- endings (model_pool_endings.cpp) -------------------------------------------------------------

/// The answer of work as the pool's callers get it.
model_result answer_of(const work_kind& kind, models::work_answer answer);

/// Answers a task and forgets it. No effect if it has ended.
void finish(self_pointer self, uint64_t id, result<model_result> answer);

/// Ends a task before its time, whatever it is doing; running work is told to stop.
void end_early(self_pointer self, uint64_t id, const failure& why);

/// Ends all; tells how many.
uint64_t end_all(self_pointer self, const failure& why);

/// Makes sure that the next deadline wakes the pool.
void watch_deadlines(self_pointer self);

/// The timer fired.
void expire(self_pointer self, uint64_t generation);

/// Answers those who wait for the pool to be empty, if it is.
void tell_if_drained(self_pointer self);

/// Tasks that do not run, and that do.
uint32_t waiting_tasks(const model_pool_state& state);
uint32_t running_tasks(const model_pool_state& state);

} // namespace luna::pool_parts
