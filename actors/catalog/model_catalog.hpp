#pragma once

#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/catalog/catalog_actor.hpp"
#include "actors/catalog/model_files.hpp"
#include "actors/catalog/model_hasher.hpp"
#include "actors/support/thread_policy.hpp"
#include "messages/actors.hpp"
#include "messages/cluster.hpp"
#include "messages/model_task.hpp"
#include "models/family.hpp"
#include "models/weights/inspect.hpp"

namespace luna {

/// A model as a request named it, found and looked into.
struct resolved_model {
  std::string name; ///< of the file, as it is listed; for messages and rows

  /// All that it may be called: with and without its folder, and its aliases.
  std::vector<std::string> names;

  model_kind kind = model_kind::text;
  std::vector<models::model_file> files;
  models::model_facts facts;

  /// What the model is: kind, type, paths, sizes, times and inodes. A file that changed is another
  /// model.
  std::string key;

  /// Where it is: the key without what files are. Two keys of one place are versions of one file.
  std::string place;
};

/// What lies in the model folders.
struct model_listing {
  uint64_t revision = 0; ///< of the files: equal if and only if they are (a hash of 53 bits)
  std::vector<model_row> rows;
};

struct catalog_options {
  model_search_path folders;
  std::map<std::string, std::string> aliases; ///< name in requests -> file name
  std::span<const models::known_family> families = models::known_families();

  /// Names that come and go are seen at each look, by the times of their folders; files that only
  /// grow or change where they are, after this time.
  std::chrono::milliseconds fresh_for{5000};
};

/// What lies in the model folders, and what the files hold.
///
/// The problem: a request names a model as ComfyUI lists it. Somebody has to find the file, read
/// its header and say what it is, without blocking the pools: disks stall, and hashing gigabytes
/// takes long.
///
/// Contract: `resolve` looks at the disk each time, so a file that was put there or replaced is
/// found at once; headers are read once per version of a file. A file that is replaced in the
/// middle is looked up once more; then it is `unavailable`. The hash of `info` is computed by a
/// helper of its own, so nothing waits behind it, and once per version. Names that leave the model
/// folders are `not_permitted`. Thread rule: detached, it blocks on the disk. Local: its handle
/// must not leave the process.
struct model_catalog_state {
  static inline const char* name = "model_catalog";

  /// The hasher goes with its catalog, in the middle of a file if need be.
  ~model_catalog_state();

  catalog_options options;
  thread_policy helpers = thread_policy::detached;
  hasher_actor hasher;
  std::stop_source stop; ///< of the hasher's work

  std::shared_ptr<const model_listing> listing; ///< the last one
  std::optional<std::chrono::steady_clock::time_point> listed_at;
  std::vector<seen_folder> seen; ///< by the last look

  std::unordered_map<std::string, std::shared_ptr<const resolved_model>>
    known;                                               ///< by what was asked
  std::unordered_map<std::string, std::string> families; ///< of rows, by name, size and time
  std::unordered_map<std::string, std::string> hashes;   ///< "sha256:..." by file identity

  /// Who waits for a hash, by file identity.
  struct asker {
    caf::typed_response_promise<model_description> promise;
    model_ref ref;
    std::shared_ptr<const resolved_model> model;
    bool again = false; ///< the file was replaced while it was hashed, once
  };
  std::unordered_map<std::string, std::vector<asker>> waiting;
};

/// Runs a catalog.
/// @param helpers how the hasher is spawned.
catalog_actor::behavior_type
model_catalog(catalog_actor::stateful_pointer<model_catalog_state> self, catalog_options options,
              thread_policy helpers = thread_policy::detached);

} // namespace luna
