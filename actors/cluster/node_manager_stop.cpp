#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "actors/cluster/node_manager_parts.hpp"

namespace luna::node_parts_of {

namespace {

/// How long the children may take to end once they have been told.
constexpr std::chrono::seconds last_call{3};

/// How long the answers to unfinished work may take to leave, and such work to stop.
constexpr std::chrono::seconds farewell{1};

/// A stop on its way: what drains before what.
struct drain_run {
  std::chrono::steady_clock::time_point deadline;
  size_t pending = 0;
  bool late = false; ///< somebody did not drain in time
};

std::chrono::milliseconds left(self_pointer self, const drain_run& run) {
  auto rest =
    std::chrono::duration_cast<std::chrono::milliseconds>(run.deadline - self->clock().now());
  return std::max(rest, std::chrono::milliseconds{1});
}

template <class Handle>
std::map<std::string, Handle> one(const char* name, const Handle& handle) {
  if (handle)
    return {{name, handle}};
  return {};
}

/// Asks these to drain and goes on when all have, or their time is over.
template <class Handle, class Next>
void drain_all(self_pointer self, const std::shared_ptr<drain_run>& run,
               const std::map<std::string, Handle>& who, Next next) {
  run->pending = who.size();
  if (who.empty())
    return next();
  for (auto& [name, handle] : who) {
    auto ended = [run, next] {
      if (--run->pending == 0)
        next();
    };
    self->request(handle, left(self, *run), drain_atom_v)
      .then([ended](bool) { ended(); },
            [self, run, ended, name = name](const caf::error& err) {
              run->late = true;
              spdlog::warn("{}/{} did not drain in time: {}", self->state.plan.node, name,
                           self->home_system().render(err));
              ended();
            });
  }
}

/// Work that outlasts the stop ends now, and who waits for it is told before the connections go.
template <class Next>
void end_unfinished(self_pointer self, const std::shared_ptr<drain_run>& run, Next next) {
  auto& gateway = self->state.parts.gateway;
  if (!run->late || !gateway)
    return next();
  run->deadline = self->clock().now() + farewell;
  self->request(gateway, farewell, reset_atom_v)
    .then(
      [self, run, next](uint64_t unfinished) {
        spdlog::warn("node {} stops with {} requests unfinished", self->state.plan.node,
                     unfinished);
        drain_all(self, run, one("gateway", self->state.parts.gateway), next);
      },
      [next](const caf::error&) { next(); });
}

/// Nobody else ends them: an actor that is only forgotten lives on while anything of CAF's still
/// holds it, a timeout in its clock for instance, and the process would wait for its thread.
void end_dialers(self_pointer self) {
  for (auto& [node, dialing] : self->state.dials)
    if (dialing.dialer)
      self->send_exit(dialing.dialer, caf::exit_reason::kill);
  self->state.dials.clear();
}

void finish(self_pointer self) {
  auto& state = self->state;
  if (std::exchange(state.ended, true))
    return;
  end_dialers(self);
  if (auto started = std::exchange(state.plan.on_started, nullptr))
    started(fail(ec::internal, "node " + state.plan.node + " stopped before it was ready"));
  state.plan.on_stopped(state.exit_status);
}

/// Tells the children to end, the last that was started first.
void end_children(self_pointer self) {
  auto& state = self->state;
  auto& specs = state.plan.children;
  for (auto spec = specs.rbegin(); spec != specs.rend(); ++spec) {
    auto child = state.children.find(spec->name);
    if (child != state.children.end() && child->second.handle)
      self->send_exit(child->second.handle, caf::exit_reason::user_shutdown);
  }
  self->delayed_send(self, last_call, drain_atom_v, uint32_t{0});
  child_ended(self);
}

} // namespace

void stop(self_pointer self, std::chrono::milliseconds deadline, int exit_status) {
  auto& state = self->state;
  if (state.stopping)
    return finish(self); // the last call is over, or somebody has no patience
  state.stopping = true;
  if (state.plan.on_stopping)
    state.plan.on_stopping();
  state.exit_status = exit_status;
  spdlog::info("node {} drains for at most {} ms", state.plan.node, deadline.count());
  state.gathering = false;
  refresh_snapshot(self, false);
  auto run = std::make_shared<drain_run>();
  run->deadline = self->clock().now() + deadline;
  // First nothing new comes in, then what was accepted ends, then what must be on disk is.
  drain_all(self, run, one("gateway", state.parts.gateway), [self, run] {
    end_unfinished(self, run, [self, run] {
      drain_all(self, run, self->state.parts.pools, [self, run] {
        drain_all(self, run, one("save_queue", self->state.parts.saves),
                  [self] { end_children(self); });
      });
    });
  });
}

void child_ended(self_pointer self) {
  auto& children = self->state.children;
  auto running = std::any_of(children.begin(), children.end(),
                             [](auto& x) { return x.second.handle != nullptr; });
  if (!running)
    finish(self);
}

} // namespace luna::node_parts_of
