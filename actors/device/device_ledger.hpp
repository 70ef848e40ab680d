#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/model_kind.hpp"
#include "messages/cluster.hpp"

namespace luna {

/// A wish to use a device: what a lease_request says, as the ledger needs it.
struct ledger_request {
  uint64_t id = 0;
  std::string key;                ///< of the model
  std::string place;              ///< other keys of the same place are older versions of its files
  std::string name;               ///< for rows
  std::vector<std::string> names; ///< all that an operator may call it
  model_kind kind = model_kind::text;
  uint64_t weight_bytes = 0;
  uint64_t working_bytes = 0;
  uint64_t min_working_bytes = 0;    ///< 0: `working_bytes`
  uint64_t useful_working_bytes = 0; ///< 0: `working_bytes`
  bool make_room = false;            ///< whatever nobody uses goes first
  int priority = 0;
};

/// The bytes of one device: who has them, who waits for them, who must give them back.
///
/// The problem: a model must be loaded only if there is room for its weights and its work together,
/// and room is made only at the cost of models that nobody uses now.
///
/// Contract: the sum of what is loaded and what is leased never passes the budget, as far as sizes
/// are known beforehand (a load that turned out bigger is made up for by the next eviction).
/// Waiting requests are served by priority, FIFO within, and strictly: nobody overtakes one that
/// waits for room. At most `concurrency` leases are out at a time. A model under a lease is never
/// named for eviction. Thread rule: a plain value; CAF-free.
class device_ledger {
public:
  explicit device_ledger(uint64_t budget = 0, uint32_t concurrency = 1)
    : budget_(budget), concurrency_(concurrency) {}

  /// The working memory that a request will be granted, or nothing if it can never fit.
  std::optional<uint64_t> fit(const ledger_request& request) const;

  /// Queues a request. @pre `fit` says yes, the id is not in use.
  void add(ledger_request request);

  struct grant {
    uint64_t id = 0;
    uint64_t working_bytes = 0;
  };

  /// What to do next; call it again until there is nothing.
  struct step {
    std::optional<grant> granted;
    std::optional<uint64_t> refused; ///< a request that no longer fits: it is out of the queue

    /// Keys of models to unload, marked so; answer each with `evicted` or `eviction_failed`.
    std::vector<std::string> evict;
  };
  step next();

  /// The model is gone.
  void evicted(const std::string& key);
  /// It could not be unloaded: it stays.
  void eviction_failed(const std::string& key);

  /// Ends a lease. @param weight_bytes of its model as measured; 0: it is not loaded.
  /// False if there is no such lease.
  bool release(uint64_t id, uint64_t weight_bytes);

  /// Ends a lease under which nothing ran: the model is as it was before.
  bool release_unused(uint64_t id);

  /// Ends a lease whose holder is gone: nobody knows whether the model is loaded, so it counts.
  bool abandon(uint64_t id);

  /// Takes a waiting request back; false if it does not wait.
  bool withdraw(uint64_t id);

  /// The worker died: no model is loaded, no lease is out; what waits goes on waiting.
  void clear();

  struct model {
    std::string name;
    std::vector<std::string> names;
    std::string place;
    model_kind kind = model_kind::text;
    uint64_t bytes = 0;    ///< estimated until it is loaded, then measured
    bool loaded = false;   ///< measured
    bool evicting = false; ///< the worker was told to unload it
    uint32_t leases = 0;
    uint64_t since = 0;    ///< when it came, by a counter: higher is later
    uint64_t last_use = 0; ///< by the same counter
  };

  /// Marks an unleased model as being unloaded. False if it is leased, going already or not there.
  bool begin_unload(const std::string& key);

  const std::map<std::string, model>& models() const noexcept { return models_; }
  uint64_t budget() const noexcept { return budget_; }
  uint64_t used() const noexcept;
  size_t waiting() const noexcept { return waiting_.size(); }
  size_t leases() const noexcept { return leases_.size(); }

private:
  struct lease {
    std::string key;
    uint64_t working_bytes = 0;
  };
  struct place_in_line {
    int priority = 0;
    uint64_t number = 0;
    bool operator<(const place_in_line& other) const {
      return priority != other.priority ? priority > other.priority : number < other.number;
    }
  };

  std::vector<std::string> stale_versions() const;
  void serve(const ledger_request& request, step& result);
  std::vector<std::string> unused(const std::string& but) const;
  std::vector<std::string> victims(const ledger_request& request, uint64_t missing) const;
  void grant_lease(const ledger_request& request, uint64_t working);
  void end_lease(std::map<uint64_t, lease>::iterator lease);

  uint64_t budget_ = 0;
  uint32_t concurrency_ = 1;
  uint64_t counter_ = 0;
  std::map<std::string, model> models_;
  std::map<uint64_t, lease> leases_;
  std::map<place_in_line, ledger_request> waiting_;
};

} // namespace luna
