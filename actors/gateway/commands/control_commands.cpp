#include "actors/gateway/commands/control_commands.hpp"

#include <string>
#include <utility>

#include "actors/gateway/commands/connection_commands.hpp"
#include "messages/cluster.hpp"

namespace luna::commands {

using namespace session_parts;

namespace {

constexpr size_t most_names = 1000;
constexpr int64_t longest_drain_ms = 3600 * 1000;

/// How long a shutdown may take to be acknowledged by all; nodes have 2 s.
constexpr std::chrono::seconds shutdown_patience{10};

enum class scope : uint8_t { connection, node, cluster };

json acknowledged(const command_report& report, json header) {
  auto answers = json::array();
  for (auto& x : report.answers)
    answers.push_back({{"who", x.who}, {"done", x.done}, {"problem", x.problem}});
  header["epoch"] = report.epoch;
  header["done"] = report.done();
  header["answers"] = std::move(answers);
  return header;
}

/// Gives a command to the cluster. What was begun is not taken back by a cancel.
template <class Then>
void give(self_pointer self, uint64_t task, active_request& request, cluster_command command,
          Then header_of) {
  request.can_cancel = false;
  auto done = [self, task, header_of](command_report& report) {
    answer_json(self, task, header_of(report));
  };
  ask<command_report>(self, task, left(self, request), self->state.context->node_manager,
                      "the node's manager", done, control_atom_v, std::move(command));
}

json unloaded(const command_report& report) {
  auto rows = json::array();
  for (auto& x : report.unload.unloaded)
    rows.push_back({{"model", x.model}, {"device", x.device}, {"bytes", x.bytes}});
  auto kept = json::array();
  for (auto& x : report.unload.kept)
    kept.push_back({{"model", x.model}, {"reason", x.reason}});
  auto header = acknowledged(report, json::object());
  header["unloaded"] = std::move(rows);
  header["freed_bytes"] = report.unload.freed_bytes;
  header["kept"] = std::move(kept);
  return header;
}

void stop_node(self_pointer self, uint64_t task, active_request& request, cluster_command command) {
  request.can_cancel = false;
  auto done = [self, task](command_report& report) {
    answer_json(self, task, json{{"accepted", report.done()}});
  };
  ask<command_report>(self, task, left(self, request), self->state.context->node_manager,
                      "the node's manager", done, run_atom_v, std::move(command));
}

} // namespace

result<void> set_attention_mode(self_pointer self, uint64_t task, active_request& request) {
  field_reader in{request.in->header};
  read_common(self, request, in);
  auto mode = attention_mode_of(in.string("mode"));
  if (!mode)
    in.refuse("mode", "\"auto\", \"flash\", \"split\" or \"pytorch\"");
  if (auto ok = in.finish(); !ok)
    return ok;
  cluster_command command;
  command.action = cluster_action::attention;
  command.mode = *mode;
  give(self, task, request, std::move(command), [mode](const command_report& report) {
    return acknowledged(report, {{"mode", to_string(*mode)}});
  });
  return {};
}

result<void> unload_models(self_pointer self, uint64_t task, active_request& request) {
  field_reader in{request.in->header};
  read_common(self, request, in);
  cluster_command command;
  command.action = cluster_action::unload;
  command.kinds = read_kinds(in);
  command.models = in.strings_or_empty("models", most_names);
  if (auto ok = in.finish(); !ok)
    return ok;
  give(self, task, request, std::move(command), unloaded);
  return {};
}

result<void> reset(self_pointer self, uint64_t task, active_request& request) {
  field_reader in{request.in->header};
  read_common(self, request, in);
  auto where = in.choice_or("scope", scope::connection,
                            {{"connection", scope::connection}, {"cluster", scope::cluster}});
  if (auto ok = in.finish(); !ok)
    return ok;
  if (where == scope::connection) {
    end_subscription(self);
    answer_json(self, task, json{{"cancelled", cancel_all(self, task)}});
    return {};
  }
  cluster_command command;
  command.action = cluster_action::reset;
  give(self, task, request, std::move(command), [](const command_report& report) {
    return acknowledged(report, {{"cancelled", report.cancelled}});
  });
  return {};
}

result<void> shutdown(self_pointer self, uint64_t task, active_request& request) {
  field_reader in{request.in->header};
  read_common(self, request, in);
  auto where =
    in.choice_or("scope", scope::node, {{"node", scope::node}, {"cluster", scope::cluster}});
  cluster_command command;
  command.action = cluster_action::shutdown;
  // Here it is the time that running work gets, not this request's own.
  command.deadline_ms =
    static_cast<uint32_t>(in.integer_or("deadline_ms", 30000, {0, longest_drain_ms}));
  if (auto ok = in.finish(); !ok)
    return ok;
  request.deadline = self->clock().now() + shutdown_patience;
  if (where == scope::node)
    stop_node(self, task, request, std::move(command));
  else
    give(self, task, request, std::move(command),
         [](const command_report& report) { return acknowledged(report, {{"accepted", true}}); });
  return {};
}

} // namespace luna::commands
