#include "actors/cluster/supervisor.hpp"

#include <caf/all.hpp>

#include <memory>
#include <utility>

#include "actors/support/actor_defaults.hpp"
#include "messages/error.hpp"

namespace luna {

namespace {

using self_pointer = supervisor_actor::stateful_pointer<supervisor_state>;

/// Collects the nodes' answers to one command and delivers the report with the last.
struct collector {
  caf::typed_response_promise<command_report> promise;
  command_report report;
  size_t pending = 0;

  void add(command_report answer) {
    report.add(std::move(answer));
    if (--pending == 0)
      promise.deliver(std::move(report));
  }
};

command_report one_answer(std::string who, std::string problem) {
  command_report report;
  report.answers.push_back({std::move(who), problem.empty(), std::move(problem)});
  return report;
}

/// How long a node may take to acknowledge. Unloading waits for the layer that is being computed.
std::chrono::milliseconds patience(const cluster_command& command) {
  return command.action == cluster_action::unload ? std::chrono::seconds{30}
                                                  : std::chrono::seconds{2};
}

std::string away_problem(const cluster_command& command) {
  return command.action == cluster_action::attention
         ? "the node is away; it adopts the mode when it comes back"
         : "the node is away";
}

auto give(self_pointer self, const cluster_command& command) {
  auto& state = self->state;
  if (command.action == cluster_action::attention)
    state.state.mode = command.mode;
  auto run = std::make_shared<collector>();
  run->promise = self->make_response_promise<command_report>();
  run->report.epoch = ++state.state.epoch;
  run->pending = state.nodes.size();
  for (auto& name : state.nodes) {
    auto node = state.live.find(name);
    if (node == state.live.end()) {
      run->add(one_answer(name, away_problem(command)));
      continue;
    }
    self
      ->request<caf::message_priority::high>(node->second, patience(command), command_atom_v,
                                             run->report.epoch, command)
      .then([run](command_report& x) { run->add(std::move(x)); },
            [run, name](const caf::error& err) {
              run->add(one_answer(name, to_failure(err, "node " + name).message));
            });
  }
  return run->promise;
}

/// Gives the mode in force to a node that has an older one. No answer is needed: a node that fails
/// to follow goes away, and comes back with what it has.
void spread(self_pointer self, const node_manager_actor& node) {
  cluster_command command;
  command.action = cluster_action::attention;
  command.mode = self->state.state.mode;
  caf::anon_send<caf::message_priority::high>(node, command_atom_v, self->state.state.epoch,
                                              command);
}

cluster_state join(self_pointer self, const std::string& name, const caf::strong_actor_ptr& who,
                   const cluster_state& reported) {
  auto& state = self->state;
  auto node = caf::actor_cast<node_manager_actor>(who);
  auto known = state.live.find(name);
  if (known == state.live.end() || known->second != node)
    self->monitor(node);
  state.live[name] = node;
  if (reported.epoch > state.state.epoch) {
    state.state = reported;
    for (auto& [other, handle] : state.live)
      if (other != name)
        spread(self, handle);
  }
  return state.state;
}

} // namespace

supervisor_actor::behavior_type supervisor(self_pointer self, std::vector<std::string> nodes,
                                           cluster_state kept) {
  set_actor_defaults(self);
  self->state.nodes = std::move(nodes);
  self->state.state = kept;
  // A dead proxy swallows messages without a word: never keep one.
  self->set_down_handler([self](caf::down_msg& x) {
    auto& live = self->state.live;
    for (auto i = live.begin(); i != live.end();)
      i = i->second.address() == x.source ? live.erase(i) : std::next(i);
  });
  return {
    [self](command_atom, const cluster_command& command) { return give(self, command); },
    [self](join_atom, const std::string& name, const caf::strong_actor_ptr& who,
           const cluster_state& reported) { return join(self, name, who, reported); },
  };
}

} // namespace luna
