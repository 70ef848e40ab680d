#pragma once

#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/catalog/catalog_actor.hpp"
#include "actors/cluster/dialer_actor.hpp"
#include "actors/cluster/directory_actor.hpp"
#include "actors/cluster/keeper_actor.hpp"
#include "actors/cluster/restart_policy.hpp"
#include "actors/device/device_actor.hpp"
#include "actors/gateway/gateway_actor.hpp"
#include "actors/pool/pool_actor.hpp"
#include "actors/save/save_sink_actor.hpp"
#include "actors/transport/exchange_actor.hpp"
#include "base/result.hpp"
#include "messages/actors.hpp"
#include "messages/node_view.hpp"

namespace luna {

/// The actors of a node that others need to find, as they are now. A child that dies takes its
/// handle out and puts the new one in when it is started again.
struct node_parts {
  node_manager_actor manager; ///< whose parts they are
  directory_actor directory;
  event_hub_actor events;
  exchange_actor exchange;
  catalog_actor catalog;
  supervisor_actor supervisor; ///< on its home node only
  save_sink_actor saves;       ///< on the saving node only
  gateway_actor gateway;       ///< on nodes with a gateway only
  std::map<std::string, device_actor> devices;
  std::map<std::string, pool_actor> pools;
};

/// One child of a node, as OTP has them.
struct child_spec {
  std::string name;

  /// Children that this one holds handles of: when one of them dies, this one is restarted, too.
  std::vector<std::string> depends_on;

  /// Starts the child and puts its handle into the parts.
  std::function<result<caf::strong_actor_ptr>(caf::actor_system&, node_parts&)> start;

  /// Takes the handle out.
  std::function<void(node_parts&)> forget;
};

/// Another node of the configuration.
struct peer_address {
  std::string node;
  std::string host;
  uint16_t port = 0;
};

/// What a node manager runs.
struct node_plan {
  std::string cluster;
  std::string node;
  std::string version;
  std::vector<peer_address> nodes; ///< all, in the configuration's order; the first is the home

  /// What the other nodes' configurations must have in common with this one's: key and value.
  std::map<std::string, std::string> agreement;

  /// With TLS: whom to ask, by (get_atom, node id), for the names that a peer's certificate proves
  /// (node_link.hpp: the broker of BASP). Null: greetings are believed.
  caf::actor identities;

  std::vector<child_spec> children; ///< in start order
  restart_limits limits;
  uint64_t seed = 0;  ///< of the restarts' jitter
  cluster_state kept; ///< from disk
  keeper_actor keeper;

  /// Makes the actor that connects to one other node.
  std::function<dialer_actor(caf::actor_system&)> make_dialer;

  std::chrono::milliseconds tick{500};   ///< by then it is known what came into the model folders
  std::chrono::milliseconds redial{500}; ///< first pause; the later ones are twice as long

  /// How long this node waits for those that connect to it, before it tries by itself.
  std::chrono::milliseconds courtesy{4000};

  /// Called once all children have started and the directory knows them, or with why not.
  std::function<void(result<void>)> on_started;

  /// Called when a stop begins: nobody should be let in any more.
  std::function<void()> on_stopping;

  /// Called when the node has stopped, with the exit status of the program.
  std::function<void(int)> on_stopped;
};

/// One node of the cluster.
///
/// The problem: somebody must start the actors of a machine in order, start them again when they
/// crash, stop them in reverse, meet the other nodes, and say what this one has.
///
/// Contract: children restart one for one, with what depends on them, under a limit per period;
/// past it the node stops with status 70 (a supervisor outside, systemd for instance, starts it
/// again). Of two nodes the later one in the configuration connects, until it succeeds; which
/// starts first does not matter. The earlier one tries too, but later and more slowly: so nodes
/// whose lists differ in order find out. Nodes meet by a greeting; where their configurations
/// differ in what must be equal, it is refused, and both say in what. With TLS the certificate of
/// whoever connects must carry the name in the greeting. Everything that a node says of itself goes
/// out as a snapshot when it changes.
struct node_manager_state {
  static inline const char* name = "node_manager";

  struct child {
    caf::actor_addr address;
    caf::strong_actor_ptr handle; ///< null: not running
    restart_policy policy;
  };

  struct peer {
    node_manager_actor manager;
    event_hub_actor events; ///< of its last snapshot
    bool heard = false;     ///< a snapshot of it has come
  };

  struct dialing {
    dialer_actor dialer;
    bool busy = false;       ///< an attempt is under way
    bool scheduled = false;  ///< a timer will start one
    caf::actor_addr joining; ///< the manager that was greeted and has not answered
    uint32_t failures = 0;
    std::string last_problem; ///< logged once, not at every attempt
  };

  /// A greeting that was refused: logged when its reason changes, or after a while.
  struct refusal {
    std::string problem;
    std::chrono::steady_clock::time_point said;
  };

  node_plan plan;
  node_parts parts;
  std::map<std::string, child> children;
  std::map<std::string, peer> peers; ///< live
  std::map<std::string, dialing> dials;
  std::map<std::string, refusal> refusals; ///< by node; "": nodes that are not in the configuration
  supervisor_actor supervisor;             ///< the one in charge, if it is here or its home is
  cluster_state state;
  node_snapshot snapshot; ///< the last that was sent
  bool gathering = false; ///< a new snapshot is being put together
  bool stopping = false;
  bool ended = false; ///< on_stopped has been called
  int exit_status = 0;
};

/// Runs the manager of a node.
node_manager_actor::behavior_type
node_manager(node_manager_actor::stateful_pointer<node_manager_state> self, node_plan plan);

} // namespace luna
