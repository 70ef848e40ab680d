#pragma once

#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "actors/catalog/catalog_actor.hpp"
#include "actors/cluster/directory_actor.hpp"
#include "actors/cluster/route.hpp"
#include "actors/pool/pool_actor.hpp"
#include "actors/save/save_sink_actor.hpp"
#include "messages/actors.hpp"
#include "messages/node_view.hpp"

namespace luna {

/// What the directory knows of the cluster.
struct cluster_view {
  std::string self;
  std::vector<node_snapshot>
    nodes; ///< of the configuration's order; those away have the state "away"
};

/// A pool that the configuration promises.
struct promised_pool {
  std::string node; ///< "any": every node
  std::string name;
  model_kind kind = model_kind::text;
};

/// What the directory knows from the configuration.
struct directory_plan {
  std::string self;               ///< this node
  std::vector<std::string> nodes; ///< all nodes, in order
  std::string saving;             ///< the node that saves
  std::vector<promised_pool> pools;
  std::map<std::string, std::string> aliases; ///< names for `model`
};

/// Who serves what, as far as this node knows.
///
/// The problem: a request names a model, not a machine. Each node_manager alone writes its own
/// node's rows and sends them as versioned snapshots; this actor answers where a model can be had
/// now: here first, else where the queue is shortest.
///
/// Contract: a name that cannot be served now is `unavailable` while who has it, or may have it,
/// stops, starts again or is away; what nobody has is `unknown_model` with the nearest names.
struct directory_state {
  static inline const char* name = "directory";

  directory_plan plan;
  std::map<std::string, node_snapshot> rows; ///< live nodes by name
  std::map<std::string, pool_actor> local_pools;
  save_sink_actor local_saves;
  catalog_actor catalog; ///< asked once more before a name is unknown

  /// A name that may have come to another node a moment ago.
  struct search {
    caf::typed_response_promise<route> promise;
    model_kind kind = model_kind::text;
    model_ref ref;
  };
  std::map<uint64_t, search> searches;
  uint64_t last_search = 0;
};

/// The DIRECTORY interface with what it tells itself.
using searching_directory_actor = directory_actor::extend<
  // INTERNAL: the other nodes have had time to tell of a name.
  caf::reacts_to<retry_atom, uint64_t>>;

/// Runs the directory of a node.
searching_directory_actor::behavior_type
directory(searching_directory_actor::stateful_pointer<directory_state> self, directory_plan plan);

/// Whether `row` is what a request calls `name` in a pool of this kind: "x", "sub/x" or "folder:x".
bool names_model(const model_row& row, model_kind kind, const std::string& name);

} // namespace luna
