#pragma once

#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/model_files.hpp"
#include "actors/model_hasher.hpp"
#include "actors/thread_policy.hpp"
#include "messages/actors.hpp"
#include "messages/cluster.hpp"
#include "messages/model_task.hpp"
#include "models/inspect.hpp"

namespace luna {

/// A model as a request named it, found and looked into.
struct resolved_model {
  model_ref ref;    ///< as it was asked for
  std::string name; ///< of the file, as it is listed; for messages and rows
  model_kind kind = model_kind::text;
  std::vector<models::model_file> files;
  models::model_facts facts;

  /// What the model is: kind, type, paths, sizes and times. A file that changed is another model.
  std::string key;

  /// Where it is: the key without sizes and times. Two keys of one place are versions of one file.
  std::string place;
};

/// What lies in the model folders.
struct model_listing {
  uint64_t revision = 0; ///< grows when the rows change
  std::vector<model_row> rows;
};

struct catalog_options {
  model_search_path folders;
  std::map<std::string, std::string> aliases; ///< name in requests -> file name

  /// A listing younger than this is answered without a look at the disk.
  std::chrono::milliseconds fresh_for{1000};
};

/// What lies in the model folders, and what the files hold.
///
/// The problem: a request names a model as ComfyUI lists it. Somebody has to find the file, read
/// its header and say what it is, without blocking the pools: disks stall, and hashing gigabytes
/// takes long.
///
/// Contract: `resolve` looks at the disk each time, so a file that was replaced is another model at
/// once; headers are read once per (path, size, time). The hash of `info` is computed by a helper
/// of its own, so nothing waits behind it, and once per file version. Names that leave the model
/// folders are `not_permitted`.
/// Thread rule: detached, it blocks on the disk. Local: its handle must not leave the process.
struct model_catalog_state {
  static inline const char* name = "model_catalog";

  catalog_options options;
  hasher_actor hasher;
  model_listing listing;                             ///< the last one
  std::shared_ptr<const model_listing> published;    ///< what was answered last
  std::chrono::steady_clock::time_point listed_at{}; ///< zero: never

  /// What is known of files, by kind, type, path, size and time.
  std::unordered_map<std::string, models::model_facts> facts;

  /// "sha256:..." by the same identity without kind and type, and who waits for one.
  std::unordered_map<std::string, std::string> hashes;
  std::unordered_map<std::string, std::vector<caf::typed_response_promise<std::string>>> waiting;
};

/// Runs a catalog.
/// @param helpers how the hasher is spawned.
catalog_actor::behavior_type
model_catalog(catalog_actor::stateful_pointer<model_catalog_state> self, catalog_options options,
              thread_policy helpers = thread_policy::detached);

} // namespace luna
