#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "actors/catalog/model_catalog.hpp"
#include "actors/cluster/node_manager_parts.hpp"

namespace luna::node_parts_of {

namespace {

/// A child that does not say how it is within this time stays in the snapshot as it was.
constexpr std::chrono::seconds patience{1};

/// A snapshot on its way: complete when nobody is pending.
struct gathering {
  node_snapshot snapshot;
  size_t pending = 1; ///< one for whoever asks, so that it never completes before all are asked
};

bool same(const node_snapshot& x, const node_snapshot& y) {
  return x.state == y.state && x.exchange == y.exchange && x.events == y.events
      && x.saves == y.saves && x.supervisor == y.supervisor && x.pools == y.pools
      && x.devices == y.devices && x.models_revision == y.models_revision
      && x.state_seen == y.state_seen;
}

void complete(self_pointer self, node_snapshot snapshot) {
  auto& state = self->state;
  state.gathering = false;
  snapshot.state_seen = state.state; // it may have changed meanwhile
  auto by_name = [](auto& x, auto& y) { return x.name < y.name; };
  std::sort(snapshot.pools.begin(), snapshot.pools.end(), by_name);
  std::sort(snapshot.devices.begin(), snapshot.devices.end(), by_name);
  if (state.snapshot.version != 0 && same(snapshot, state.snapshot))
    return;
  snapshot.version = state.snapshot.version + 1;
  state.snapshot = std::move(snapshot);
  send_snapshot(self);
  // From now on the directory knows what this node has.
  if (auto started = std::exchange(state.plan.on_started, nullptr))
    started({});
}

/// Puts the row of a child that gave no answer into the snapshot, as it was in the last one.
template <class Row>
void keep_row(const std::vector<Row>& last, const std::string& name, std::vector<Row>& rows) {
  auto row = std::find_if(last.begin(), last.end(), [&](auto& x) { return x.name == name; });
  if (row != last.end())
    rows.push_back(*row);
}

/// Asks one child; its answer goes into the snapshot by `take`, no answer by `keep`.
template <class Answer, class Handle, class Take, class Keep, class... Ts>
void ask(self_pointer self, const std::shared_ptr<gathering>& run, const Handle& who, Take take,
         Keep keep, const Ts&... xs) {
  ++run->pending;
  auto done = [self, run] {
    if (--run->pending == 0)
      complete(self, std::move(run->snapshot));
  };
  self->request(who, patience, xs...)
    .then(
      [run, take, done](const Answer& answer) {
        take(run->snapshot, answer);
        done();
      },
      [run, keep, done](const caf::error&) {
        keep(run->snapshot);
        done();
      });
}

} // namespace

void send_mode(self_pointer self) {
  auto& state = self->state;
  state.snapshot.state_seen = state.state;
  ++state.snapshot.version;
  send_snapshot(self);
}

void refresh_snapshot(self_pointer self, bool with_models) {
  auto& state = self->state;
  if (state.gathering)
    return; // the next tick sees it
  state.gathering = true;
  auto run = std::make_shared<gathering>();
  auto& x = run->snapshot;
  auto& parts = state.parts;
  x.node = state.plan.node;
  x.state = state.stopping ? "draining" : "up";
  x.exchange = parts.exchange;
  x.events = parts.events;
  x.saves = parts.saves;
  x.supervisor = parts.supervisor;
  x.state_seen = state.state;
  x.models_revision = state.snapshot.models_revision;
  x.models = state.snapshot.models;
  for (auto& [name, pool] : parts.pools)
    ask<pool_row>(
      self, run, pool, [](auto& y, const pool_row& row) { y.pools.push_back(row); },
      [self, name = name](auto& y) { keep_row(self->state.snapshot.pools, name, y.pools); },
      status_atom_v);
  for (auto& [name, device] : parts.devices)
    ask<device_row>(
      self, run, device, [](auto& y, const device_row& row) { y.devices.push_back(row); },
      [self, name = name](auto& y) { keep_row(self->state.snapshot.devices, name, y.devices); },
      status_atom_v);
  if (with_models && parts.catalog)
    ask<std::shared_ptr<const model_listing>>(
      self, run, parts.catalog,
      [](auto& y, const std::shared_ptr<const model_listing>& listing) {
        if (y.models_revision == listing->revision)
          return;
        y.models_revision = listing->revision;
        y.models = listing->rows;
      },
      [](auto&) {}, list_atom_v);
  if (--run->pending == 0)
    complete(self, std::move(run->snapshot));
}

void send_snapshot(self_pointer self, const node_manager_actor& to) {
  if (self->state.snapshot.version != 0)
    self->send(to, snapshot_atom_v, self->state.snapshot);
}

void send_snapshot(self_pointer self) {
  if (self->state.parts.directory)
    self->send(self->state.parts.directory, snapshot_atom_v, self->state.snapshot);
  for (auto& [name, peer] : self->state.peers)
    send_snapshot(self, peer.manager);
}

void publish(self_pointer self, std::string topic, std::string json) {
  if (self->state.parts.events)
    self->send(self->state.parts.events, publish_atom_v, event{std::move(topic), std::move(json)});
}

} // namespace luna::node_parts_of
