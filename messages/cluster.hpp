#pragma once

#include <caf/meta/type_name.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/attention_mode.hpp"
#include "base/model_kind.hpp"

// What nodes tell each other about themselves, and the commands that go to all of them.

namespace luna {

/// One model file in the configured folders.
struct model_row {
  std::string name;              ///< as ComfyUI lists it, `/` between folders
  std::string folder;            ///< the kind of folder: "vae", "checkpoints", ...
  std::vector<model_kind> kinds; ///< kinds of pools that look into this folder
  uint64_t bytes = 0;
  int64_t modified_ns = 0; ///< since 1970
  std::string family;      ///< as far as it is known; "" if nobody has looked into the file yet

  friend bool operator==(const model_row&, const model_row&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, model_row& x) {
  return f(caf::meta::type_name("luna::model_row"), x.name, x.folder, x.kinds, x.bytes,
           x.modified_ns, x.family);
}

/// A model in the memory of a device.
struct loaded_row {
  std::string model;
  model_kind kind = model_kind::text;
  std::string device;
  uint64_t bytes = 0;

  friend bool operator==(const loaded_row&, const loaded_row&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, loaded_row& x) {
  return f(caf::meta::type_name("luna::loaded_row"), x.model, x.kind, x.device, x.bytes);
}

/// One pool of a node with its figures.
struct pool_row {
  std::string name;
  model_kind kind = model_kind::text;
  std::string device;
  uint32_t queued = 0;
  uint32_t running = 0;
  uint64_t completed = 0;
  uint64_t failed = 0;
  uint32_t p50_us = 0; ///< of the last requests, from acceptance to answer
  uint32_t p95_us = 0;

  friend bool operator==(const pool_row&, const pool_row&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, pool_row& x) {
  return f(caf::meta::type_name("luna::pool_row"), x.name, x.kind, x.device, x.queued, x.running,
           x.completed, x.failed, x.p50_us, x.p95_us);
}

/// One device of a node. `used` is the ledger: weights and leases.
struct device_row {
  std::string name;
  uint64_t used_bytes = 0;
  uint64_t total_bytes = 0;
  uint64_t budget_bytes = 0;
  std::vector<loaded_row> loaded;

  friend bool operator==(const device_row&, const device_row&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, device_row& x) {
  return f(caf::meta::type_name("luna::device_row"), x.name, x.used_bytes, x.total_bytes,
           x.budget_bytes, x.loaded);
}

/// A command to the whole cluster.
enum class cluster_action : uint8_t { attention, unload, reset, shutdown };

constexpr std::string_view to_string(cluster_action action) {
  constexpr std::string_view names[] = {"set_attention_mode", "unload_models", "reset", "shutdown"};
  return names[static_cast<size_t>(action) & 3];
}

struct cluster_command {
  cluster_action action = cluster_action::reset;
  attention_mode mode = attention_mode::automatic; ///< of attention
  std::vector<model_kind> kinds;                   ///< of unload: empty means all
  std::vector<std::string> models;                 ///< of unload: empty means all
  uint32_t deadline_ms = 30000;                    ///< of shutdown
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, cluster_command& x) {
  return f(caf::meta::type_name("luna::cluster_command"), x.action, x.mode, x.kinds, x.models,
           x.deadline_ms);
}

/// What one target answered to a command.
struct acknowledgement {
  std::string who;     ///< "node" or "node/actor"
  bool done = false;   ///< false: refused, or no answer in time
  std::string problem; ///< empty when done

  friend bool operator==(const acknowledgement&, const acknowledgement&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, acknowledgement& x) {
  return f(caf::meta::type_name("luna::acknowledgement"), x.who, x.done, x.problem);
}

/// A model that unload_models left where it was.
struct kept_model {
  std::string model;
  std::string reason;

  friend bool operator==(const kept_model&, const kept_model&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, kept_model& x) {
  return f(caf::meta::type_name("luna::kept_model"), x.model, x.reason);
}

/// What one device did to unload.
struct unload_report {
  std::vector<loaded_row> unloaded;            ///< with the bytes that came back, measured
  std::map<std::string, uint64_t> freed_bytes; ///< by device
  std::vector<kept_model> kept;

  void add(unload_report other);
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, unload_report& x) {
  return f(caf::meta::type_name("luna::unload_report"), x.unloaded, x.freed_bytes, x.kept);
}

/// All answers to one command, of one node or of the cluster.
struct command_report {
  uint64_t epoch = 0;
  std::vector<acknowledgement> answers; ///< ordered by name
  unload_report unload;
  uint64_t cancelled = 0; ///< of reset

  /// Whether every target did it.
  bool done() const;
  void add(command_report other);
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, command_report& x) {
  return f(caf::meta::type_name("luna::command_report"), x.epoch, x.answers, x.unload, x.cancelled);
}

/// The last attention command that a node has seen: kept on disk.
struct cluster_state {
  uint64_t epoch = 0;
  attention_mode mode = attention_mode::automatic;

  friend bool operator==(const cluster_state&, const cluster_state&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, cluster_state& x) {
  return f(caf::meta::type_name("luna::cluster_state"), x.epoch, x.mode);
}

/// Something that happened, for clients that subscribed.
struct event {
  std::string topic; ///< "job", "pool", "node", "attention"
  std::string json;  ///< the event frame's header, with "event" in it
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, event& x) {
  return f(caf::meta::type_name("luna::event"), x.topic, x.json);
}

} // namespace luna
