#include "actors/device/device_ledger.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace luna {

std::optional<uint64_t> device_ledger::fit(const ledger_request& request) const {
  // A model that is loaded takes what it takes, whatever its file promised.
  auto model = models_.find(request.key);
  auto weights = model == models_.end() ? request.weight_bytes : model->second.bytes;
  if (weights > budget_)
    return std::nullopt;
  auto room = budget_ - weights;
  if (request.working_bytes <= room)
    return request.working_bytes;
  if (request.min_working_bytes > 0 && request.min_working_bytes <= room)
    return room;
  return std::nullopt;
}

void device_ledger::add(ledger_request request) {
  place_in_line place{request.priority, ++counter_};
  waiting_.emplace(place, std::move(request));
}

uint64_t device_ledger::used() const noexcept {
  uint64_t sum = 0;
  for (auto& [key, model] : models_)
    sum += model.bytes;
  for (auto& [id, lease] : leases_)
    sum += lease.working_bytes;
  return sum;
}

device_ledger::step device_ledger::next() {
  step result;
  result.evict = stale_versions();
  if (!waiting_.empty() && leases_.size() < concurrency_)
    serve(waiting_.begin()->second, result);
  for (auto& key : result.evict)
    models_.at(key).evicting = true;
  return result;
}

void device_ledger::serve(const ledger_request& request, step& result) {
  auto model = models_.find(request.key);
  auto present = model != models_.end();
  if (present && model->second.evicting)
    return; // it is loaded again when it is gone
  auto working = fit(request);
  if (!working) {
    result.refused = request.id;
    waiting_.erase(waiting_.begin());
    return;
  }
  auto evict = [&](const std::vector<std::string>& keys) {
    for (auto& key : keys)
      if (std::find(result.evict.begin(), result.evict.end(), key) == result.evict.end())
        result.evict.push_back(key);
  };
  if (request.make_room)
    if (auto keys = unused(request.key); !keys.empty()) {
      std::erase_if(keys, [&](auto& key) { return models_.at(key).evicting; });
      evict(keys);
      return;
    }
  auto total = used() + *working + (present ? 0 : request.weight_bytes);
  if (total > budget_) {
    evict(victims(request, total - budget_));
    return;
  }
  if (request.useful_working_bytes > *working)
    *working += std::min(request.useful_working_bytes - *working, budget_ - total);
  result.granted = grant{request.id, *working};
  grant_lease(request, *working);
  waiting_.erase(waiting_.begin());
}

/// Older versions of files that are wanted in a new one, if nobody uses them.
std::vector<std::string> device_ledger::stale_versions() const {
  std::vector<std::string> keys;
  for (auto& [key, old] : models_) {
    if (old.leases > 0 || old.evicting)
      continue;
    auto newer = std::any_of(models_.begin(), models_.end(), [&, &key = key, &old = old](auto& x) {
      return x.first != key && x.second.place == old.place && x.second.since > old.since;
    });
    if (newer)
      keys.push_back(key);
  }
  return keys;
}

/// All other models without a lease, those that are going already included.
std::vector<std::string> device_ledger::unused(const std::string& but) const {
  std::vector<std::string> keys;
  for (auto& [key, model] : models_)
    if (key != but && model.leases == 0)
      keys.push_back(key);
  return keys;
}

/// Whom to unload for a request that misses so many bytes: older versions of its own file first,
/// then the least recently used; none if it would not suffice now: then a lease must end first.
std::vector<std::string> device_ledger::victims(const ledger_request& request,
                                                uint64_t missing) const {
  std::vector<std::tuple<bool, uint64_t, std::string>> candidates;
  uint64_t coming = 0; // from evictions under way
  for (auto& [key, model] : models_) {
    if (model.evicting)
      coming += model.bytes;
    else if (model.leases == 0 && key != request.key)
      candidates.emplace_back(model.place != request.place, model.last_use, key);
  }
  std::sort(candidates.begin(), candidates.end());
  std::vector<std::string> keys;
  for (auto& [other, use, key] : candidates) {
    if (coming >= missing)
      break;
    coming += models_.at(key).bytes;
    keys.push_back(key);
  }
  return coming >= missing ? keys : std::vector<std::string>{};
}

void device_ledger::grant_lease(const ledger_request& request, uint64_t working) {
  auto [i, added] = models_.try_emplace(request.key);
  auto& model = i->second;
  if (added) {
    model.name = request.name;
    model.names = request.names;
    model.place = request.place;
    model.kind = request.kind;
    model.bytes = request.weight_bytes;
    model.since = ++counter_;
  }
  ++model.leases;
  model.last_use = ++counter_;
  leases_.emplace(request.id, lease{request.key, working});
}

bool device_ledger::begin_unload(const std::string& key) {
  auto i = models_.find(key);
  if (i == models_.end() || i->second.leases > 0 || i->second.evicting)
    return false;
  i->second.evicting = true;
  return true;
}

void device_ledger::evicted(const std::string& key) {
  auto i = models_.find(key);
  if (i != models_.end() && i->second.evicting)
    models_.erase(i);
}

void device_ledger::eviction_failed(const std::string& key) {
  auto i = models_.find(key);
  if (i != models_.end())
    i->second.evicting = false;
}

bool device_ledger::release(uint64_t id, uint64_t weight_bytes) {
  auto i = leases_.find(id);
  if (i == leases_.end())
    return false;
  auto& model = models_.at(i->second.key);
  model.loaded = weight_bytes > 0;
  if (model.loaded)
    model.bytes = weight_bytes;
  end_lease(i);
  return true;
}

bool device_ledger::release_unused(uint64_t id) {
  auto i = leases_.find(id);
  if (i == leases_.end())
    return false;
  end_lease(i);
  return true;
}

bool device_ledger::abandon(uint64_t id) {
  auto i = leases_.find(id);
  if (i == leases_.end())
    return false;
  models_.at(i->second.key).loaded = true;
  end_lease(i);
  return true;
}

/// What is not loaded and that nobody is about to load takes no memory.
void device_ledger::end_lease(std::map<uint64_t, lease>::iterator lease) {
  auto model = models_.find(lease->second.key);
  leases_.erase(lease);
  model->second.last_use = ++counter_;
  if (--model->second.leases == 0 && !model->second.loaded)
    models_.erase(model);
}

bool device_ledger::withdraw(uint64_t id) {
  for (auto i = waiting_.begin(); i != waiting_.end(); ++i)
    if (i->second.id == id) {
      waiting_.erase(i);
      return true;
    }
  return false;
}

void device_ledger::clear() {
  models_.clear();
  leases_.clear();
}

} // namespace luna
