#include "actors/gateway/session.hpp"

#include <caf/all.hpp>
#include <spdlog/spdlog.h>

#include <exception>
#include <functional>
#include <string>
#include <utility>

#include "actors/gateway/commands/commands.hpp"
#include "actors/gateway/session_parts.hpp"
#include "actors/support/actor_defaults.hpp"

namespace luna {

using namespace session_parts;

namespace {

/// The header of a request as JSON, parsed here if it is too large for the I/O thread.
result<void> read_header(protocol::request_received& in) {
  if (in.raw_header.empty())
    return {};
  auto fields = protocol::parse_header(in.raw_header);
  if (!fields)
    return fail(fields);
  in.header = std::move(*fields);
  in.raw_header = {};
  return {};
}

/// The command of a request that may be run.
result<const commands::command*> admit(const session_context& context,
                                       const protocol::request_received& in) {
  auto name = protocol::command_of(in.header);
  if (!name)
    return fail(name);
  auto* command = commands::find_command(commands::canonical_name(*name));
  if (command == nullptr)
    return tl::make_unexpected(commands::unknown_command(*name));
  if (context.forbidden.contains(command->name))
    return fail(ec::not_permitted, "the command '" + std::string{*name}
                                     + "' is forbidden by this node's configuration "
                                       "(limits.forbidden-commands)");
  if (!command->takes_body && !in.body.bytes.empty())
    return fail(ec::bad_request, "the command '" + std::string{*name} + "' takes no body");
  return command;
}

void count(gateway_counters& counters, const commands::command& command) {
  if (command.counted == commands::count_as::nothing)
    return;
  counters.requests.fetch_add(1, std::memory_order_relaxed);
  if (command.counted == commands::count_as::clip)
    counters.clip_requests.fetch_add(1, std::memory_order_relaxed);
  if (command.counted == commands::count_as::vae)
    counters.vae_requests.fetch_add(1, std::memory_order_relaxed);
}

/// Runs a command. A defect of ours costs the request, not the connection.
result<void> run_safely(self_pointer self, const commands::command& command, uint64_t task) {
  try {
    return command.run(self, task, *find_request(self, task));
  } catch (const std::exception& x) {
    return fail(ec::internal,
                "a defect in the command '" + std::string{command.name} + "': " + x.what());
  }
}

void receive(self_pointer self, const std::shared_ptr<protocol::request_received>& in) {
  auto& state = self->state;
  if (auto ok = read_header(*in); !ok) {
    client_answer wrong{in->id, {}, {}, ok.error()};
    if (ok.error().code == ec::bad_frame)
      self->send(state.connection, drop_atom_v, std::move(wrong));
    else
      self->send(state.connection, answer_atom_v, std::move(wrong));
    return;
  }
  auto task = next_task_id();
  auto& request = state.requests[task];
  request.id = in->id;
  request.in = in;
  state.task_of[in->id] = task;
  auto command = admit(*state.context, *in);
  if (!command)
    return refuse(self, task, command.error());
  request.cmd = (*command)->name;
  count(*state.context->counters, **command);
  if (auto ok = run_safely(self, **command, task); !ok)
    refuse(self, task, ok.error());
}

void cancel_by_client(self_pointer self, uint64_t id) {
  auto task = self->state.task_of.find(id);
  if (task != self->state.task_of.end())
    cancel(self, task->second);
}

/// The node stops: who only waits for a job may ask again elsewhere.
void release_waiting(self_pointer self) {
  std::vector<uint64_t> waiting;
  for (auto& [task, request] : self->state.requests)
    if (auto* command = commands::find_command(request.cmd); command && command->waits)
      waiting.push_back(task);
  for (auto task : waiting) {
    take_back(self, task, *find_request(self, task));
    refuse(self, task,
           {ec::shutting_down, "this node stops: ask for the job again when it is back", 2000, {}});
  }
}

/// The client is gone: nobody waits for anything any more.
void end(self_pointer self) {
  auto& state = self->state;
  for (auto& [task, request] : state.requests)
    take_back(self, task, request);
  state.requests.clear();
  state.task_of.clear();
  if (std::exchange(state.subscribed, false))
    self->send(state.context->events, subscribe_atom_v,
               caf::actor_cast<listener_actor>(self->ctrl()), std::vector<std::string>{});
  self->quit();
}

void forget(self_pointer self, uint64_t task) {
  auto node = self->state.requests.extract(task);
  if (node.empty())
    return;
  auto id = self->state.task_of.find(node.mapped().id);
  // The client may have taken the id for another request by now.
  if (id != self->state.task_of.end() && id->second == task)
    self->state.task_of.erase(id);
}

} // namespace

// -- what commands do with a request ---

active_request* session_parts::find_request(self_pointer self, uint64_t task) {
  auto i = self->state.requests.find(task);
  return i == self->state.requests.end() ? nullptr : &i->second;
}

std::chrono::milliseconds session_parts::left(self_pointer self, const active_request& request) {
  auto rest = std::chrono::ceil<std::chrono::milliseconds>(request.deadline - self->clock().now());
  return std::max(rest, std::chrono::milliseconds{1});
}

protocol::common_fields session_parts::read_common(self_pointer self, active_request& request,
                                                   field_reader& in,
                                                   const protocol::common_use& use) {
  auto common = protocol::read_common_fields(in, use);
  request.deadline = self->clock().now() + common.deadline;
  request.wants_progress = common.progress;
  return common;
}

void session_parts::answer(self_pointer self, uint64_t task, std::string header,
                           std::vector<named_tensor> tensors) {
  if (auto* request = find_request(self, task)) {
    client_answer x{request->id, std::move(header), std::move(tensors), std::nullopt};
    forget(self, task);
    self->send(self->state.connection, answer_atom_v, std::move(x));
  }
}

void session_parts::answer_json(self_pointer self, uint64_t task, const json& header) {
  answer(self, task, protocol::dump_header(header));
}

void session_parts::refuse(self_pointer self, uint64_t task, const failure& why) {
  auto* request = find_request(self, task);
  if (request == nullptr)
    return;
  if (why.code == ec::internal)
    spdlog::error("session#{} request {} ({}) failed: {}", self->id(), request->id, request->cmd,
                  why.message);
  client_answer x{request->id, {}, {}, why};
  forget(self, task);
  self->send(self->state.connection, answer_atom_v, std::move(x));
}

namespace {

const failure cancelled{ec::cancelled, "the request was cancelled", 0, {}};

/// A node that stops resets its connections when the time for running work is over.
const failure out_of_time{ec::shutting_down,
                          "this node stops, and the request was not done in the time that a stop "
                          "gives: ask again when it is back, or another node",
                          2000,
                          {}};

bool end_request(self_pointer self, uint64_t task, const failure& why) {
  auto* request = find_request(self, task);
  if (request == nullptr || !request->can_cancel)
    return false;
  take_back(self, task, *request);
  refuse(self, task, why);
  return true;
}

} // namespace

bool session_parts::cancel(self_pointer self, uint64_t task) {
  return end_request(self, task, cancelled);
}

uint64_t session_parts::cancel_all(self_pointer self, uint64_t except) {
  auto& why = self->state.context->counters->draining ? out_of_time : cancelled;
  std::vector<uint64_t> tasks;
  for (auto& [task, request] : self->state.requests)
    if (task != except)
      tasks.push_back(task);
  return static_cast<uint64_t>(std::count_if(
    tasks.begin(), tasks.end(), [&](auto task) { return end_request(self, task, why); }));
}

// -- the actor ---

session_actor::behavior_type session(self_pointer self,
                                     std::shared_ptr<const session_context> context,
                                     connection_actor connection, bool from_this_machine) {
  set_actor_defaults(self);
  self->state.from_this_machine = from_this_machine;
  self->state.client = std::hash<std::string>{}(caf::to_string(self->address()));
  self->state.context = std::move(context);
  self->state.connection = std::move(connection);
  // The connection says when its client is gone; this is for one that could not.
  self->monitor(self->state.connection);
  self->set_down_handler([self](caf::down_msg&) { end(self); });
  return {
    [self](run_atom, const std::shared_ptr<protocol::request_received>& in) { receive(self, in); },
    [self](cancel_atom, uint64_t id) { cancel_by_client(self, id); },
    [self](drop_atom) { end(self); },
    [self](reset_atom) { return cancel_all(self); },
    [self](drain_atom) { release_waiting(self); },
    [self](retry_atom, uint64_t task) { run_elsewhere(self, task); },
    [self](progress_atom, const task_progress& x) { tell_progress(self, x); },
    [self](publish_atom, const event& x) {
      if (self->state.subscribed)
        self->send(self->state.connection, publish_atom_v, uint64_t{0}, x.json);
    },
  };
}

} // namespace luna
