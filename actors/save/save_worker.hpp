#pragma once

#include <caf/typed_event_based_actor.hpp>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/save/save_encoder.hpp"
#include "actors/save/save_parts.hpp"
#include "storage/target.hpp"

namespace luna {

/// Encodes and writes the pictures of one job at a time.
///
/// The problem: a picture must get its name exactly once, though the process may end between any
/// two steps. So the steps go in the order of storage/target.hpp, and the store makes the record
/// durable before the name is given.
///
/// Contract: every image of an attempt is reported to the store (written, or why not), then the
/// attempt itself; one bad image does not stop the others, a target that is away stops all. Thread
/// rule: detached, private to the store.
struct save_worker_state {
  static inline const char* name = "save_worker";

  std::shared_ptr<const storage::target_table> targets;
  save_store_actor store; ///< not the first member: CAF would take the state as made from its actor

  std::shared_ptr<const storage::job_work> work; ///< null: idle
  std::optional<save_encoder> encoder;           ///< of `work`
  storage::target* target = nullptr;             ///< of `work`
  size_t next = 0;                               ///< image of `work` that is done next
  encoded_file file;                             ///< of the image that waits for its record
  std::optional<storage::file_name> renamed;     ///< the new name of that image, if it got one
  int renames = 0;                               ///< of that image
  std::string away;                              ///< why the target cannot be used, or empty
  bool has_final_failure = false;                ///< of an image, that another attempt would meet
  bool has_passing_failure = false;              ///< of an image, that may go away
};

/// Runs a worker. @param targets shared by all workers.
save_worker_actor::behavior_type
save_worker(save_worker_actor::stateful_pointer<save_worker_state> self, save_store_actor store,
            std::shared_ptr<const storage::target_table> targets);

} // namespace luna
