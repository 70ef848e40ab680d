#pragma once

#include "actors/save/save_store.hpp"

// INTERNAL to the save store, one idea a file: its workers; the rest.

namespace luna::save_store_parts {

using self_pointer = save_store_actor::stateful_pointer<save_store_state>;

// -- save_store.cpp ------------------------------------------------------------

/// Every change is followed by one commit, shared with all changes that are in the mailbox by then.
void schedule_commit(self_pointer self);

// -- save_store_workers.cpp ----------------------------------------------------

save_store_state::worker& start_worker(self_pointer self);

/// Gives work to whoever is idle. When all are busy, the end of an attempt comes here again.
void dispatch(self_pointer self);

/// A worker that goes is forgotten at once: it must not get a job any more.
void retire_idle_workers(self_pointer self);

} // namespace luna::save_store_parts
