#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/typed_actor.hpp>

#include <cstdint>
#include <memory>
#include <string>

#include "actors/save/save_sink_actor.hpp"
#include "messages/actors.hpp"
#include "storage/job_store.hpp"
#include "storage/job_types.hpp"

// INTERNAL to the save queue: its private helpers and what they say to each other.

namespace luna {

using names_there = storage::name_reservations::names_there;

/// How an image ended in an attempt.
struct image_report {
  uint32_t image = 0;
  std::string error;                                       ///< empty: it has its name
  storage::image_state state = storage::image_state::done; ///< done, or discarded by a gate
  std::string detail;                                      ///< a JSON object (score), or empty
};

/// How an attempt ended.
struct attempt_report {
  enum class ending : uint8_t {
    ran,         ///< to its end; each image has told how
    damaged,     ///< the pixels in the log are damaged
    target_away, ///< the target cannot be used now
  };

  std::string error; ///< of the attempt as a whole, or empty
  ending how = ending::ran;
  std::string detail; ///< of the whole job (archive), a JSON object, or empty

  /// Another attempt would end in the same way.
  bool is_final = false;
};

/// The SAVE STORE interface. Detached: the one owner of log and index.
using save_store_actor = caf::typed_actor<
  // Accepts a job; the JSON answer comes when it is durable, or at once if it is `fast`.
  caf::replies_to<submit_atom, std::shared_ptr<storage::new_job>>::with<std::string>,
  // From a lister: the same, with the names that stand at the job's target.
  caf::replies_to<resolve_atom, std::shared_ptr<storage::new_job>>::with<std::string>,
  // The JSON state of a job.
  caf::replies_to<status_atom, std::string>::with<std::string>,
  // Cancels what is not written yet.
  caf::replies_to<cancel_atom, std::string>::with<std::string>,
  // Takes a failed job up again.
  caf::replies_to<retry_atom, std::string>::with<std::string>,
  // Forgets a job that is finished, with its pictures.
  caf::replies_to<discard_atom, std::string>::with<std::string>,
  // The newest jobs of a state ("": all), at most so many.
  caf::replies_to<list_atom, std::string, uint32_t>::with<std::string>,
  // The stats.
  caf::replies_to<status_atom>::with<std::string>,
  // Starts no more attempts; answers when none runs.
  caf::replies_to<drain_atom>::with<bool>,
  // From a worker: an image is complete in its temporary file. True when that is durable.
  caf::replies_to<publish_atom, std::string, uint32_t,
                  std::shared_ptr<const storage::file_identity>>::with<bool>,
  // From a worker: another program has the image's name. The next free one, promised; the names
  // that stand at a remote target are said along, for a folder none are.
  caf::replies_to<resolve_atom, std::string, uint32_t, std::shared_ptr<const names_there>>::with<
    std::shared_ptr<const storage::file_name>>,
  // From a worker: an image has its name or could not be written.
  caf::reacts_to<answer_atom, std::string, image_report>,
  // From a worker: the attempt is over. The worker is idle now.
  caf::reacts_to<release_atom, std::string, attempt_report>,
  // INTERNAL: makes durable what has gathered.
  caf::reacts_to<keep_atom>,
  // INTERNAL: time for upkeep; a backoff has ended.
  caf::reacts_to<tick_atom>, caf::reacts_to<restart_atom>>;

/// The SAVE LISTER interface. Detached: its target may take long to answer.
using save_lister_actor = caf::typed_actor<
  // Looks which names stand at the target and hands the job to the store, which answers.
  caf::replies_to<submit_atom, std::shared_ptr<storage::new_job>>::with<std::string>>;

/// The SAVE WORKER interface. Detached: it encodes and writes.
using save_worker_actor = caf::typed_actor<
  // Does one attempt of a job.
  caf::reacts_to<run_atom, std::shared_ptr<const storage::job_work>>>;

/// The SAVE INTAKE interface. Detached: large tasks take long to read.
using save_intake_actor = caf::typed_actor<
  // Checks a submission, resolves its names, and hands it to the store, which answers.
  caf::replies_to<submit_atom, save_submission>::with<std::string>,
  // Reads a client's proof file: a folder, a nonce.
  caf::replies_to<probe_atom, std::string, std::string>::with<std::string>,
  // Lets pictures go to one more folder.
  caf::replies_to<allow_atom, std::string>::with<std::string>>;

/// The SAVE QUEUE interface with what its store tells it.
using save_front_actor = save_sink_actor::extend<
  // INTERNAL, from the store: a job changed. True: it is at an end.
  caf::reacts_to<answer_atom, std::string, std::string, bool>,
  // INTERNAL: time to look whose wait is over.
  caf::reacts_to<expire_atom, uint64_t>>;

} // namespace luna

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(luna::image_report)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(luna::attempt_report)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<luna::storage::new_job>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<const luna::storage::file_identity>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<const luna::storage::job_work>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<const luna::names_there>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<const luna::storage::file_name>)
