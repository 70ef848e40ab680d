#include "actors/cluster/directory.hpp"

#include <caf/all.hpp>

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "actors/catalog/model_catalog.hpp"
#include "actors/support/actor_defaults.hpp"
#include "base/nearest.hpp"
#include "messages/error.hpp"

namespace luna {

namespace {

using self_pointer = searching_directory_actor::stateful_pointer<directory_state>;

constexpr std::chrono::milliseconds node_away_retry{1000};
constexpr std::chrono::seconds catalog_patience{5};

/// Nodes look into their folders twice a second and tell at once what came.
constexpr std::chrono::milliseconds search_patience{1000};

/// The reference with its alias put in.
model_ref resolved_alias(const directory_state& state, model_ref ref) {
  for (auto& file : ref.files) {
    auto alias = state.plan.aliases.find(file);
    file = with_slashes(alias == state.plan.aliases.end() ? file : alias->second);
  }
  return ref;
}

bool has_model(const node_snapshot& node, model_kind kind, const model_ref& ref) {
  return std::all_of(ref.files.begin(), ref.files.end(), [&](auto& file) {
    return std::any_of(node.models.begin(), node.models.end(),
                       [&](auto& row) { return names_model(row, kind, file); });
  });
}

/// Whether a request can go to this pool now.
bool is_reachable(const directory_state& state, const node_snapshot& node, const pool_row& pool) {
  return node.state == "up" && (node.node != state.plan.self || state.local_pools.count(pool.name));
}

/// Why a node that should have a pool of this kind cannot serve a model now although it has it, or
/// may have it; nothing if it could or has not.
std::optional<std::string> why_not_now(const directory_state& state, const std::string& name,
                                       model_kind kind, const model_ref& ref) {
  auto promised = std::any_of(state.plan.pools.begin(), state.plan.pools.end(), [&](auto& x) {
    return x.kind == kind && (x.node == "any" || x.node == name);
  });
  if (!promised)
    return std::nullopt;
  auto row = state.rows.find(name);
  if (row == state.rows.end())
    return "node " + name + " is away";
  auto& node = row->second;
  if (!has_model(node, kind, ref))
    return std::nullopt;
  if (node.state != "up")
    return "node " + name + ", which has it, is stopping";
  auto serves = std::any_of(node.pools.begin(), node.pools.end(), [&](auto& x) {
    return x.kind == kind && is_reachable(state, node, x);
  });
  if (!serves)
    return "the " + std::string{to_string(kind)} + " pool of node " + name
         + ", which has it, is starting again";
  return std::nullopt;
}

/// Whether this node takes nothing new. Its clients are told so whichever of its actors knows
/// first.
bool stops_here(const directory_state& state, const std::string& name) {
  auto row = state.rows.find(name);
  return name == state.plan.self && row != state.rows.end() && row->second.state != "up";
}

failure not_found(const directory_state& state, model_kind kind, const model_ref& ref) {
  for (auto& node : state.plan.nodes)
    if (auto why = why_not_now(state, node, kind, ref))
      return {stops_here(state, node) ? ec::shutting_down : ec::unavailable,
              "no node can serve the model " + to_string(ref) + " now: " + *why + "; try again",
              static_cast<uint32_t>(node_away_retry.count()),
              {}};
  std::vector<std::string> names;
  for (auto& [name, node] : state.rows)
    for (auto& row : node.models)
      if (std::find(row.kinds.begin(), row.kinds.end(), kind) != row.kinds.end())
        names.push_back(row.name);
  auto hint = did_you_mean(ref.files.empty() ? "" : ref.files.front(), names);
  return {ec::unknown_model,
          "there is no " + std::string{to_string(kind)} + " model " + to_string(ref)
            + (hint.empty() ? "; list_models tells the names" : hint),
          0,
          {}};
}

/// What orders the pools that could serve a request: here first, then the shortest queue.
auto rank(const directory_state& state, const node_snapshot& node, const pool_row& pool) {
  return std::tuple{node.node != state.plan.self, pool.queued + pool.running, node.node, pool.name};
}

std::optional<route> find_route(const directory_state& state, model_kind kind,
                                const model_ref& ref) {
  const node_snapshot* best_node = nullptr;
  const pool_row* best_pool = nullptr;
  for (auto& [name, node] : state.rows) {
    if (!has_model(node, kind, ref))
      continue;
    for (auto& pool : node.pools)
      if (pool.kind == kind && is_reachable(state, node, pool)
          && (!best_pool || rank(state, node, pool) < rank(state, *best_node, *best_pool)))
        std::tie(best_node, best_pool) = std::tuple{&node, &pool};
  }
  if (!best_pool)
    return std::nullopt;
  route result;
  result.node = best_node->node;
  result.pool = best_pool->name;
  result.local = best_node->node == state.plan.self;
  if (result.local)
    result.here = state.local_pools.at(best_pool->name);
  else
    result.there = best_node->exchange;
  return result;
}

bool others_serve(const directory_state& state, model_kind kind) {
  return std::any_of(state.rows.begin(), state.rows.end(), [&](auto& row) {
    auto& node = row.second;
    return node.node != state.plan.self
        && std::any_of(node.pools.begin(), node.pools.end(),
                       [&](auto& x) { return x.kind == kind && is_reachable(state, node, x); });
  });
}

/// Answers a search if a node has the model by now.
bool answer_found(const directory_state& state, directory_state::search search) {
  auto found = find_route(state, search.kind, search.ref);
  if (found)
    search.promise.deliver(std::move(*found));
  return found.has_value();
}

/// No node is known to have it: unless it is known why, the others get the time to tell of a file
/// that came a moment ago.
void search_elsewhere(self_pointer self, directory_state::search search) {
  auto& state = self->state;
  if (answer_found(state, search))
    return;
  auto problem = not_found(state, search.kind, search.ref);
  if (problem.code != ec::unknown_model || !others_serve(state, search.kind)) {
    search.promise.deliver(make_error(problem));
    return;
  }
  auto id = ++state.last_search;
  state.searches.emplace(id, std::move(search));
  self->delayed_send(self, search_patience, retry_atom_v, id);
}

void end_search(directory_state& state, uint64_t id) {
  auto ended = state.searches.extract(id);
  if (ended.empty() || answer_found(state, ended.mapped()))
    return;
  auto& x = ended.mapped();
  x.promise.deliver(make_error(not_found(state, x.kind, x.ref)));
}

/// A file may have been put there a moment ago: looks into the folders before the name is unknown.
caf::result<route> look_again(self_pointer self, model_kind kind, model_ref ref) {
  auto promise = self->make_response_promise<route>();
  self->request(self->state.catalog, catalog_patience, list_atom_v)
    .then(
      [self, promise, kind, ref](const std::shared_ptr<const model_listing>& listing) mutable {
        auto& state = self->state;
        if (auto row = state.rows.find(state.plan.self); row != state.rows.end())
          row->second.models = listing->rows;
        search_elsewhere(self, {promise, kind, ref});
      },
      [self, promise, ref](const caf::error&) mutable {
        promise.deliver(make_error(failure{ec::unavailable,
                                           "the model folders of node " + self->state.plan.self
                                             + " cannot be looked at now, for the model "
                                             + to_string(ref) + "; try again",
                                           static_cast<uint32_t>(node_away_retry.count()),
                                           {}}));
      });
  return promise;
}

caf::result<route> find_model(self_pointer self, model_kind kind, model_ref& asked) {
  auto& state = self->state;
  auto ref = resolved_alias(state, std::move(asked));
  if (auto found = find_route(state, kind, ref))
    return *found;
  if (state.catalog && state.rows.count(state.plan.self))
    return look_again(self, kind, std::move(ref));
  return make_error(not_found(state, kind, ref));
}

caf::result<route> find_saves(self_pointer self) {
  auto& state = self->state;
  route result;
  result.node = state.plan.saving;
  result.local = state.plan.saving == state.plan.self;
  if (result.local && state.local_saves) {
    result.save_here = state.local_saves;
    result.saves = state.local_saves;
    return result;
  }
  auto row = state.rows.find(state.plan.saving);
  if (!result.local && row != state.rows.end() && row->second.saves) {
    result.there = row->second.exchange;
    result.saves = row->second.saves;
    return result;
  }
  return make_error(
    failure{ec::unavailable,
            "the saving node " + state.plan.saving + " is away; try again when it is back",
            static_cast<uint32_t>(node_away_retry.count()),
            {}});
}

cluster_view view(const directory_state& state) {
  cluster_view result;
  result.self = state.plan.self;
  for (auto& name : state.plan.nodes) {
    auto row = state.rows.find(name);
    if (row != state.rows.end()) {
      result.nodes.push_back(row->second);
    } else {
      auto& node = result.nodes.emplace_back();
      node.node = name;
      node.state = "away";
    }
  }
  return result;
}

} // namespace

bool names_model(const model_row& row, model_kind kind, const std::string& name) {
  if (std::find(row.kinds.begin(), row.kinds.end(), kind) == row.kinds.end())
    return false;
  if (row.name == name)
    return true;
  auto colon = name.find(':');
  return colon != std::string::npos && name.compare(0, colon, row.folder) == 0
      && name.compare(colon + 1, std::string::npos, row.name) == 0;
}

searching_directory_actor::behavior_type directory(self_pointer self, directory_plan plan) {
  set_actor_defaults(self);
  self->state.plan = std::move(plan);
  return {
    [self](snapshot_atom, node_snapshot& x) {
      auto& row = self->state.rows[x.node];
      if (row.node.empty() || row.version < x.version || row.exchange != x.exchange)
        row = std::move(x);
      auto& state = self->state;
      std::erase_if(state.searches, [&](auto& y) { return answer_found(state, y.second); });
    },
    [self](drop_atom, const std::string& node) { self->state.rows.erase(node); },
    [self](register_atom, const std::string& name, const pool_actor& pool) {
      if (pool)
        self->state.local_pools[name] = pool;
      else
        self->state.local_pools.erase(name);
    },
    [self](register_atom, const save_sink_actor& sink) { self->state.local_saves = sink; },
    [self](register_atom, const catalog_actor& catalog) { self->state.catalog = catalog; },
    [self](find_atom, model_kind kind, model_ref& ref) { return find_model(self, kind, ref); },
    [self](find_atom) { return find_saves(self); },
    [self](list_atom) { return view(self->state); },
    [self](retry_atom, uint64_t id) { end_search(self->state, id); },
  };
}

} // namespace luna
