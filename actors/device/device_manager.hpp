#pragma once

#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/cluster/restart_policy.hpp"
#include "actors/device/device_actor.hpp"
#include "actors/device/device_ledger.hpp"
#include "actors/device/lease.hpp"
#include "actors/device/worker_actor.hpp"
#include "actors/support/wake_up.hpp"
#include "base/attention_mode.hpp"
#include "messages/actors.hpp"
#include "messages/cluster.hpp"

namespace luna {

/// Starts the worker of a device; tests start another one.
using worker_factory = std::function<worker_actor(caf::actor_system&)>;

struct device_options {
  std::string name = "cpu";
  uint64_t total_bytes = 0;  ///< of the device
  uint64_t budget_bytes = 0; ///< what luna may use of it
  worker_factory make_worker;

  /// Whether the device can compute attention that way.
  std::function<result<void>(attention_mode)> supports_attention;

  attention_mode mode = attention_mode::automatic; ///< at start
  restart_limits restarts;
  uint64_t seed = 0; ///< of the restarts' jitter

  /// How long `unload` waits for a worker that computes before it reports the rest as kept.
  std::chrono::milliseconds unload_wait{10000};
};

/// The real thing for a device of this machine.
/// @param name "cpu", "cuda:0".
/// @param memory the budget in bytes; 0: 75 % of what the machine has, 90 % of a GPU.
/// @param threads cores of one operation; 0: all.
/// @returns `bad_request` for a device that is not there. Blocks (drivers): call it at start.
result<device_options> make_device_options(const std::string& name, uint64_t memory,
                                           uint32_t threads);

/// The DEVICE MANAGER interface with what it tells itself.
using device_manager_actor = device_actor::extend<
  // INTERNAL: a waiting lease request may have reached its deadline.
  caf::reacts_to<expire_atom, uint64_t>,
  // INTERNAL: an unload that has waited long enough.
  caf::reacts_to<unload_atom, uint64_t>,
  // INTERNAL: starts the worker again.
  caf::reacts_to<restart_atom, uint64_t>>;

/// An `unload_models` on its way.
struct unload_run {
  caf::typed_response_promise<unload_report> promise;
  unload_report report;
  std::map<std::string, loaded_row> pending; ///< by key: the worker has not answered
};

/// One device: who may use its memory when, and the worker that computes there.
///
/// The problem: several pools share the memory of a device. If each loaded what it liked, two would
/// fit by halves and neither would run; if one could evict what another computes with, it would
/// crash.
///
/// Contract: work runs under a lease, which covers its whole need (weights and working memory), is
/// asked for once and granted FIFO within its priority, one at a time. A request that can never fit
/// is `out_of_memory` at once; one whose deadline passes while it waits is `timeout`. Over budget
/// the least recently used models without a lease are unloaded. A lease ends on release or when the
/// actor that asked for it is gone. When the worker dies, its models and leases are gone; it is
/// started again after a pause, and after too many deaths everything is `unavailable` until the
/// period has passed.
/// Thread rule: scheduled, never blocks; its worker is detached.
struct device_manager_state {
  static inline const char* name = "device_manager";

  /// The worker goes with its manager.
  ~device_manager_state();

  device_options options;
  device_ledger ledger;
  std::shared_ptr<std::atomic<attention_mode>> attention;
  worker_actor worker; ///< null: it died
  restart_policy restarts;
  uint64_t worker_generation = 0; ///< of restart messages
  std::optional<std::chrono::steady_clock::time_point> unavailable_until;

  struct waiting_lease {
    caf::typed_response_promise<std::shared_ptr<lease_grant>> promise;
    std::shared_ptr<lease_request> request;
    caf::actor_addr holder;
  };
  std::map<uint64_t, waiting_lease> waiting;   ///< by lease id; the order is the ledger's
  std::map<uint64_t, caf::actor_addr> holders; ///< of granted leases
  std::set<caf::actor_addr> watched;           ///< who ever asked and is alive
  std::map<uint64_t, unload_run> unloads;
  uint64_t last_unload = 0;
  wake_up wake; ///< for the deadlines of what waits
};

/// Runs a device manager.
device_manager_actor::behavior_type
device_manager(device_manager_actor::stateful_pointer<device_manager_state> self,
               device_options options);

} // namespace luna
