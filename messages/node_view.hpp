#pragma once

#include <caf/meta/type_name.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "messages/actors.hpp"
#include "messages/cluster.hpp"
#include "messages/model_task.hpp"
#include "messages/tensor_chunk.hpp"

// What nodes say to each other when they meet, and how a request travels between them.

namespace luna {

/// What nodes speak to each other: changes whenever a message between them does.
inline constexpr const char* wire_version = "luna/4";

/// What a node says to another when they meet.
struct node_greeting {
  std::string cluster;
  std::string node;
  std::string version; ///< of luna
  node_manager_actor manager;

  /// What the configurations of both must have in common: keys of cluster.conf with their values.
  std::map<std::string, std::string> agreement;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, node_greeting& x) {
  return f(caf::meta::type_name("luna::node_greeting"), x.cluster, x.node, x.version, x.manager,
           x.agreement);
}

/// Everything that others must know of a node. Only the node's own manager writes it; a higher
/// version replaces a lower one.
struct node_snapshot {
  std::string node;
  uint64_t version = 0;
  std::string state; ///< "up", "draining"; "away" in the views of others
  exchange_peer_actor exchange;
  event_hub_actor events;
  save_queue_actor saves;      ///< null unless the node saves
  supervisor_actor supervisor; ///< null unless the node is its home
  std::vector<pool_row> pools;
  std::vector<device_row> devices;
  uint64_t models_revision = 0;
  std::vector<model_row> models;
  cluster_state state_seen; ///< epoch and mode in force there
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, node_snapshot& x) {
  return f(caf::meta::type_name("luna::node_snapshot"), x.node, x.version, x.state, x.exchange,
           x.events, x.saves, x.supervisor, x.pools, x.devices, x.models_revision, x.models,
           x.state_seen);
}

/// A request that one node's exchange offers to another's, before its tensors.
struct call_offer {
  uint64_t call = 0; ///< chosen by the caller, unique among its calls
  exchange_peer_actor caller;
  std::string pool; ///< the pool to run `task` on; empty: a save
  task_header task;
  std::string save_task; ///< JSON of task_data, if `pool` is empty
  std::string save_key;
  uint32_t deadline_ms = 0;
  std::vector<tensor_shape> tensors;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, call_offer& x) {
  return f(caf::meta::type_name("luna::call_offer"), x.call, x.caller, x.pool, x.task, x.save_task,
           x.save_key, x.deadline_ms, x.tensors);
}

/// How a call between nodes ended; the tensors of a success follow as chunks.
struct call_answer {
  uint64_t call = 0;
  caf::error problem; ///< none: a success
  task_answer answer;
  std::string save_reply; ///< JSON, of a save
  std::vector<tensor_shape> tensors;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, call_answer& x) {
  return f(caf::meta::type_name("luna::call_answer"), x.call, x.problem, x.answer, x.save_reply,
           x.tensors);
}

} // namespace luna
