#include "actors/catalog/model_catalog.hpp"

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "actors/support/actor_defaults.hpp"
#include "base/nearest.hpp"
#include "messages/error.hpp"

namespace luna {

namespace {

using self_pointer = catalog_actor::stateful_pointer<model_catalog_state>;
using resolved_pointer = std::shared_ptr<const resolved_model>;

constexpr size_t most_known_models = 4096;
constexpr std::chrono::seconds hash_patience{3600};

/// Files as they are now: path, size, times and inode of each.
std::string identity_of(const std::vector<models::model_file>& files) {
  std::string text;
  for (auto& file : files)
    text += file.path.string() + '\n' + std::to_string(file.bytes) + '\n'
          + std::to_string(file.modified_ns) + '\n' + std::to_string(file.inode) + '\n'
          + std::to_string(file.changed_ns) + '\n';
  return text;
}

std::string row_identity(const std::string& folder, const std::string& name, uint64_t bytes,
                         int64_t modified_ns) {
  return folder + ':' + name + '\n' + std::to_string(bytes) + '\n' + std::to_string(modified_ns);
}

// -- listing --------------------------------------------------------------------------------------

/// FNV-1a over what the rows say of the files, cut to what every JSON reader holds exactly.
uint64_t revision_of(const std::vector<model_row>& rows) {
  uint64_t hash = 14695981039346656037ull;
  for (auto& row : rows)
    for (unsigned char c : row_identity(row.folder, row.name, row.bytes, row.modified_ns) + '\n')
      hash = (hash ^ c) * 1099511628211ull;
  return hash & ((uint64_t{1} << 53) - 1);
}

void add_families(const model_catalog_state& state, model_listing& listing) {
  for (auto& row : listing.rows) {
    auto family =
      state.families.find(row_identity(row.folder, row.name, row.bytes, row.modified_ns));
    if (family != state.families.end())
      row.family = family->second;
  }
}

std::shared_ptr<const model_listing> list(self_pointer self) {
  auto& state = self->state;
  auto now = self->clock().now();
  if (state.listed_at && now - *state.listed_at < state.options.fresh_for
      && !may_have_changed(state.seen))
    return state.listing;
  auto listing = std::make_shared<model_listing>();
  state.seen.clear();
  listing->rows = list_model_files(state.options.folders, &state.seen);
  listing->revision = revision_of(listing->rows);
  add_families(state, *listing);
  state.listed_at = now;
  state.listing = std::move(listing);
  return state.listing;
}

// -- resolving ------------------------------------------------------------------------------------

/// A not found with the names that may have been meant.
failure with_hint(self_pointer self, model_kind kind, const std::string& name, failure problem) {
  if (problem.code != ec::unknown_model)
    return problem;
  std::vector<std::string> names;
  for (auto& [alias, file] : self->state.options.aliases)
    names.push_back(alias);
  for (auto& row : list(self)->rows)
    if (std::find(row.kinds.begin(), row.kinds.end(), kind) != row.kinds.end())
      names.push_back(row.name);
  auto hint = did_you_mean(name, names);
  problem.message = "there is no " + std::string{to_string(kind)} + " model '" + name + "'"
                  + (hint.empty() ? "; list_models tells the names" : hint);
  return problem;
}

result<found_model> find_one(self_pointer self, model_kind kind, const std::string& name) {
  auto& options = self->state.options;
  auto alias = options.aliases.find(name);
  auto found =
    find_model_files(options.folders, kind, alias == options.aliases.end() ? name : alias->second);
  if (!found)
    return tl::make_unexpected(with_hint(self, kind, name, found.error()));
  return found;
}

/// Every name that means this file.
std::vector<std::string> names_of(const catalog_options& options, const found_model& found) {
  std::vector<std::string> names{found.name, found.folder + ":" + found.name};
  for (auto& [alias, file] : options.aliases)
    if (std::find(names.begin(), names.begin() + 2, with_slashes(file)) != names.begin() + 2)
      names.push_back(alias);
  return names;
}

/// Keeps what was found out. A single name is also a row of the listing.
void remember(model_catalog_state& state, const std::string& asked, const resolved_pointer& model) {
  if (state.known.size() >= most_known_models)
    state.known.clear();
  state.known.emplace(asked, model);
  if (state.families.size() >= most_known_models)
    state.families.clear();
  uint64_t bytes = 0;
  int64_t modified = 0;
  for (auto& file : model->files) {
    bytes += file.bytes;
    modified = std::max(modified, file.modified_ns);
  }
  for (auto& name : model->names)
    if (auto colon = name.find(':'); colon != std::string::npos)
      state.families[row_identity(name.substr(0, colon), name.substr(colon + 1), bytes, modified)] =
        model->facts.family;
  if (!state.listing)
    return;
  auto listing = std::make_shared<model_listing>(*state.listing);
  add_families(state, *listing);
  state.listing = std::move(listing);
}

result<resolved_pointer> resolve_once(self_pointer self, model_kind kind, const model_ref& ref) {
  auto& state = self->state;
  if (ref.files.empty())
    return fail(ec::bad_request, "no model is named; list_models tells the names");
  auto model = std::make_shared<resolved_model>();
  model->kind = kind;
  for (auto& name : ref.files) {
    auto found = find_one(self, kind, name);
    if (!found)
      return fail(found);
    model->name += (model->name.empty() ? "" : " + ") + found->name;
    for (auto& x : names_of(state.options, *found))
      model->names.push_back(std::move(x));
    std::move(found->files.begin(), found->files.end(), std::back_inserter(model->files));
  }
  auto identity = identity_of(model->files);
  auto asked = std::string{to_string(kind)} + '\n' + ref.type + '\n' + identity;
  auto known = state.known.find(asked);
  if (known != state.known.end())
    return known->second;
  auto facts = models::inspect_model(kind, model->files, ref.type, state.options.families);
  if (!facts)
    return fail(facts);
  model->facts = std::move(*facts);
  // Of the type that it has, named or not: it is loaded once.
  model->place = std::string{to_string(kind)} + '\n' + model->facts.type + '\n';
  model->key = model->place + identity;
  for (auto& file : model->files)
    model->place += file.path.string() + '\n';
  remember(state, asked, model);
  return resolved_pointer{std::move(model)};
}

bool was_replaced(const failure& problem) {
  return problem.code == ec::unavailable;
}

result<resolved_pointer> resolve(self_pointer self, model_kind kind, const model_ref& ref) {
  auto model = resolve_once(self, kind, ref);
  return model || !was_replaced(model.error()) ? model : resolve_once(self, kind, ref);
}

// -- info -----------------------------------------------------------------------------------------

model_description describe(const resolved_model& model, const std::string& hash) {
  auto& facts = model.facts;
  model_description x;
  x.kind = model.kind;
  x.family = facts.family;
  x.type = facts.type;
  x.hash = hash;
  x.token_keys = facts.token_keys;
  x.layers = facts.layers;
  x.latent_channels = facts.latent_channels;
  x.latent_dim = facts.latent_dim;
  x.downscale_ratio = facts.downscale_ratio;
  x.upscale_ratio = facts.upscale_ratio;
  x.output_channels = facts.output_channels;
  x.weight_keys = facts.weight_keys;
  return x;
}

void spawn_hasher(self_pointer self) {
  self->state.hasher = spawn_with(*self, self->state.helpers, model_hasher);
  self->monitor(self->state.hasher);
}

/// Hashing failed, or the hasher did.
void answer_waiting(model_catalog_state& state, const std::string& identity,
                    const caf::error& problem) {
  auto askers = state.waiting.extract(identity);
  if (!askers.empty())
    for (auto& asker : askers.mapped())
      asker.promise.deliver(problem);
}

void ask_hash(self_pointer self, model_catalog_state::asker asker);

/// A file could not be hashed: if another lies there now, that one is, once.
void hash_failed(self_pointer self, const std::string& identity, const caf::error& problem) {
  auto askers = self->state.waiting.extract(identity);
  if (askers.empty())
    return;
  for (auto& asker : askers.mapped()) {
    auto model = resolve(self, asker.model->kind, asker.ref);
    auto replaced = model && identity_of((*model)->files) != identity;
    if (std::exchange(asker.again, true) || !replaced) {
      asker.promise.deliver(problem);
      continue;
    }
    asker.model = std::move(*model);
    ask_hash(self, std::move(asker));
  }
}

void hashed(model_catalog_state& state, const std::string& identity, const std::string& hash) {
  if (state.hashes.size() >= most_known_models)
    state.hashes.clear();
  state.hashes[identity] = hash;
  auto askers = state.waiting.extract(identity);
  if (!askers.empty())
    for (auto& asker : askers.mapped())
      asker.promise.deliver(describe(*asker.model, hash));
}

void ask_hash(self_pointer self, model_catalog_state::asker asker) {
  auto& state = self->state;
  auto model = asker.model;
  auto identity = identity_of(model->files);
  if (auto hash = state.hashes.find(identity); hash != state.hashes.end()) {
    asker.promise.deliver(describe(*model, hash->second));
    return;
  }
  auto& askers = state.waiting[identity];
  askers.push_back(std::move(asker));
  if (askers.size() > 1)
    return;
  auto order = std::make_shared<const hash_order>(hash_order{model->files, state.stop.get_token()});
  self->request(state.hasher, hash_patience, info_atom_v, order)
    .then([self, identity](const std::string& hash) { hashed(self->state, identity, hash); },
          [self, identity](const caf::error& problem) { hash_failed(self, identity, problem); });
}

caf::result<model_description> info(self_pointer self, model_kind kind, const model_ref& ref) {
  auto model = resolve(self, kind, ref);
  if (!model)
    return make_error(model.error());
  auto promise = self->make_response_promise<model_description>();
  ask_hash(self, {promise, ref, std::move(*model), false});
  return promise;
}

} // namespace

model_catalog_state::~model_catalog_state() {
  stop.request_stop();
  if (hasher)
    caf::anon_send_exit(hasher, caf::exit_reason::user_shutdown);
}

catalog_actor::behavior_type model_catalog(self_pointer self, catalog_options options,
                                           thread_policy helpers) {
  set_actor_defaults(self);
  self->state.options = std::move(options);
  self->state.helpers = helpers;
  self->set_down_handler([self](caf::down_msg& x) {
    spdlog::error("the model hasher died ({}) and is started again",
                  self->system().render(x.reason));
    auto problem = make_error(ec::internal, "the hash of the model could not be computed");
    while (!self->state.waiting.empty())
      answer_waiting(self->state, std::string{self->state.waiting.begin()->first}, problem);
    spawn_hasher(self);
  });
  spawn_hasher(self);
  return {
    [self](resolve_atom, model_kind kind, const model_ref& ref) -> caf::result<resolved_pointer> {
      auto model = resolve(self, kind, ref);
      if (!model)
        return make_error(model.error());
      return std::move(*model);
    },
    [self](info_atom, model_kind kind, const model_ref& ref) { return info(self, kind, ref); },
    [self](list_atom) { return list(self); },
  };
}

} // namespace luna
