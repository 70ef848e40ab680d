#include <caf/all.hpp>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <map>
#include <memory>
#include <utility>

#include "actors/cluster/node_manager_parts.hpp"
#include "messages/error.hpp"

namespace luna::node_parts_of {

namespace {

constexpr std::chrono::milliseconds quick{1500};
constexpr std::chrono::seconds unload_patience{25};
constexpr std::chrono::seconds supervisor_patience{35};

/// An acknowledgement of a shutdown leaves before the node does.
constexpr std::chrono::milliseconds last_words{100};

/// Collects what the targets of this node answered to one command.
struct collector {
  caf::typed_response_promise<command_report> promise;
  command_report report;
  size_t pending = 1;

  void done_one() {
    if (--pending == 0)
      promise.deliver(std::move(report));
  }

  void add(std::string who, std::string problem) {
    command_report one;
    one.answers.push_back({std::move(who), problem.empty(), std::move(problem)});
    report.add(std::move(one));
  }
};

using collector_ptr = std::shared_ptr<collector>;

/// Asks each of `targets` and adds an acknowledgement for each; `take` gets what a target answered.
template <class Answer, class Handle, class Patience, class Take, class... Ts>
void ask_all(self_pointer self, const collector_ptr& run,
             const std::map<std::string, Handle>& targets, Patience patience, Take take,
             const Ts&... xs) {
  for (auto& [name, target] : targets) {
    auto who = self->state.plan.node + "/" + name;
    ++run->pending;
    self->request<caf::message_priority::high>(target, patience, xs...)
      .then(
        [run, who, take](Answer& answer) {
          take(run->report, answer);
          run->add(who, "");
          run->done_one();
        },
        [run, who](const caf::error& err) {
          run->add(who, to_failure(err, who).message);
          run->done_one();
        });
  }
}

/// Tells the directory and whoever subscribed the mode in force.
void announce_mode(self_pointer self) {
  auto& state = self->state;
  send_mode(self);
  publish(self, "attention",
          nlohmann::json{{"event", "attention"},
                         {"node", state.plan.node},
                         {"mode", to_string(state.state.mode)},
                         {"epoch", state.state.epoch}}
            .dump());
}

void set_mode(self_pointer self, const collector_ptr& run, attention_mode mode) {
  ask_all<bool>(
    self, run, self->state.parts.devices, quick, [](auto&, bool) {}, attention_atom_v, mode);
  announce_mode(self);
}

void carry_out(self_pointer self, const collector_ptr& run, const cluster_command& command) {
  auto& state = self->state;
  switch (command.action) {
  case cluster_action::attention:
    set_mode(self, run, command.mode);
    break;
  case cluster_action::unload:
    ask_all<unload_report>(
      self, run, state.parts.devices, unload_patience,
      [](command_report& report, unload_report& x) { report.unload.add(std::move(x)); },
      unload_atom_v, command.kinds, command.models);
    break;
  case cluster_action::reset:
    ask_all<uint64_t>(
      self, run, state.parts.pools, quick,
      [](command_report& report, uint64_t n) { report.cancelled += n; }, reset_atom_v);
    break;
  case cluster_action::shutdown:
    run->add(state.plan.node, "");
    self->delayed_send(self, last_words, drain_atom_v, command.deadline_ms);
    break;
  }
  run->done_one();
}

/// Keeps epoch and mode on disk, then runs `next`; a disk that fails is an answer, not an end.
template <class Next>
void keep_state(self_pointer self, const collector_ptr& run, Next next) {
  self->request(self->state.plan.keeper, quick, keep_atom_v, self->state.state)
    .then([next](bool) { next(); },
          [self, run, next](const caf::error& err) {
            run->add(self->state.plan.node,
                     "could not keep the epoch: " + to_failure(err, "the state file").message);
            next();
          });
}

} // namespace

caf::result<command_report> obey(self_pointer self, uint64_t epoch,
                                 const cluster_command& command) {
  auto& state = self->state;
  if (epoch < state.state.epoch)
    return make_error(ec::unavailable, "node " + state.plan.node + " has seen epoch "
                                         + std::to_string(state.state.epoch)
                                         + ", a later command; try again");
  auto raised = epoch > state.state.epoch;
  state.state.epoch = epoch;
  if (command.action == cluster_action::attention)
    state.state.mode = command.mode;
  auto run = std::make_shared<collector>();
  run->promise = self->make_response_promise<command_report>();
  run->report.epoch = epoch;
  auto promise = run->promise;
  auto next = [self, run, command] { carry_out(self, run, command); };
  if (raised)
    keep_state(self, run, next);
  else
    next();
  return promise;
}

void adopt(self_pointer self, const cluster_state& x) {
  auto& state = self->state;
  if (x.epoch <= state.state.epoch)
    return;
  auto changed = x.mode != state.state.mode;
  state.state = x;
  spdlog::info("{} adopts epoch {} with attention mode {}", state.plan.node, x.epoch,
               to_string(x.mode));
  caf::anon_send(state.plan.keeper, keep_atom_v, x);
  if (changed) {
    apply_mode(self);
    announce_mode(self);
  }
}

void apply_mode(self_pointer self) {
  for (auto& [name, device] : self->state.parts.devices)
    caf::anon_send<caf::message_priority::high>(device, attention_atom_v, self->state.state.mode);
}

caf::result<command_report> ask_supervisor(self_pointer self, const cluster_command& command) {
  auto& state = self->state;
  if (!state.supervisor)
    return make_error(failure{ec::unavailable,
                              "the supervisor's home, node " + state.plan.nodes.front().node
                                + ", is away; try again when it is back",
                              1000,
                              {}});
  auto promise = self->make_response_promise<command_report>();
  self
    ->request<caf::message_priority::high>(state.supervisor, supervisor_patience, command_atom_v,
                                           command)
    .then([promise](command_report& x) mutable { promise.deliver(std::move(x)); },
          [promise](const caf::error& err) mutable {
            promise.deliver(make_error(to_failure(err, "the supervisor")));
          });
  return promise;
}

} // namespace luna::node_parts_of
