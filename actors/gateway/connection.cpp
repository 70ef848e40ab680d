#include "actors/gateway/connection.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <variant>

#include "actors/gateway/commands/connection_commands.hpp"
#include "actors/gateway/connection_flow.hpp"
#include "actors/support/actor_defaults.hpp"
#include "actors/support/tcp_socket.hpp"
#include "protocol/hello.hpp"

namespace luna {

using namespace connection_flow;

namespace {

/// What CAF reads at a time. When that fills up there is more: see read_more.
constexpr size_t first_read = 16 << 10;

/// What is read beside that in one go.
constexpr size_t more_read = 128 << 10;

bool attached(connection_pointer self) {
  return self->valid(self->state.handle);
}

// -- ends ---

void drop_session(connection_state& state) {
  if (auto session = std::exchange(state.session, nullptr))
    caf::anon_send(session, drop_atom_v);
}

/// Ends the connection now, whatever has not been said.
void leave(connection_pointer self, caf::error reason = caf::exit_reason::normal) {
  if (attached(self))
    break_connection(descriptor(self));
  self->quit(std::move(reason));
}

/// The protocol has said its last word: it leaves, then the end of the stream.
void begin_end(connection_pointer self) {
  self->state.ending = true;
  drop_session(self->state);
}

void say_end(connection_pointer self) {
  auto& state = self->state;
  if (!state.ending || state.said_end || !state.protocol->output().empty())
    return;
  state.said_end = true;
  state.ended = self->clock().now();
  end_writing(descriptor(self));
}

// -- events of the protocol ---

void welcome(connection_pointer self) {
  auto& state = self->state;
  auto& counters = *state.core->context->counters;
  if (counters.connections >= state.core->max_connections) {
    state.protocol->close({ec::overloaded,
                           "this gateway has " + std::to_string(state.core->max_connections)
                             + " clients, which is its limit: try again later",
                           1000,
                           {}});
    return;
  }
  --counters.handshakes;
  ++counters.connections;
  state.core->guard->admitted(state.address);
  state.welcome = true;
  state.session = self->system().spawn(luna::session, state.core->context,
                                       caf::actor_cast<connection_actor>(self->ctrl()),
                                       protocol::is_loopback(state.address));
  self->monitor(state.session);
}

void refuse(connection_pointer self, uint64_t id, const failure& why) {
  if (self->state.protocol->refuse(id, why))
    --self->state.waiting;
}

void reply(connection_pointer self, uint64_t id, const std::string& header,
           std::span<const named_tensor> tensors = {}) {
  auto sent = self->state.protocol->reply(id, header, tensors);
  if (!sent)
    return refuse(self, id, sent.error());
  if (*sent)
    --self->state.waiting;
}

/// Answers a ping where it arrives: it says how quick that is.
bool answer_ping(connection_pointer self, const protocol::request_received& in) {
  auto cmd = in.raw_header.empty() ? protocol::command_of(in.header)
                                   : result<std::string_view>{std::string_view{}};
  if (!cmd || commands::canonical_name(*cmd) != "ping" || !in.body.bytes.empty()
      || self->state.core->context->forbidden.contains("ping"))
    return false;
  auto header = commands::ping_reply(in.header);
  if (header)
    reply(self, in.id, *header);
  else
    refuse(self, in.id, header.error());
  return true;
}

void take(connection_pointer self, protocol::request_received& in) {
  auto& state = self->state;
  ++state.waiting;
  if (state.core->context->counters->draining)
    return refuse(self, in.id,
                  {ec::shutting_down, "this node stops and takes no new requests", 2000, {}});
  if (!answer_ping(self, in))
    self->send(state.session, run_atom_v,
               std::make_shared<protocol::request_received>(std::move(in)));
}

/// A peer that was not let in goes: somebody who guesses the secret waits longer next time.
void count_wrong_proof(connection_pointer self, const failure& why) {
  auto& state = self->state;
  if (state.welcome || why.code != ec::unauthenticated)
    return;
  if (auto line = state.core->guard->wrong_proof(state.address, self->clock().now()))
    spdlog::warn("{}", *line);
}

void take_events(connection_pointer self) {
  while (auto event = self->state.protocol->poll()) {
    if (std::holds_alternative<protocol::hello_done>(*event))
      welcome(self);
    else if (auto* request = std::get_if<protocol::request_received>(&*event))
      take(self, *request);
    else if (auto* cancel = std::get_if<protocol::cancel_received>(&*event))
      self->send(self->state.session, cancel_atom_v, cancel->id);
    else if (auto* closed = std::get_if<protocol::connection_closed>(&*event)) {
      count_wrong_proof(self, closed->why);
      begin_end(self);
    }
  }
}

// -- in ---

/// Whether the hello may be read now; else it is held back until it may.
bool may_judge(connection_pointer self, std::span<const std::byte> bytes) {
  auto& state = self->state;
  if (state.judged)
    return true;
  if (state.held_back.empty()) {
    auto now = self->clock().now();
    auto at = state.core->guard->judge_at(state.address, now);
    state.judged = at <= now;
    if (state.judged)
      return true;
    state.opened = at; // the wait is ours, not the client's
    self->delayed_send(self, at - now, restart_atom_v);
  }
  state.held_back.insert(state.held_back.end(), bytes.begin(), bytes.end());
  return false;
}

void feed(connection_pointer self, std::span<const std::byte> bytes) {
  if (self->state.ending || !may_judge(self, bytes))
    return;
  self->state.protocol->feed(bytes);
  take_events(self);
}

/// Reads on behind CAF's back: its own buffer would be zero-filled each time, and kept as large as
/// it ever was for as long as the connection lives. An end or an error is left for CAF to find.
void read_more(connection_pointer self) {
  static thread_local std::array<std::byte, more_read> buffer;
  if (auto n = read_some(descriptor(self), buffer); n && *n > 0)
    feed(self, std::span{buffer}.first(*n));
}

void update_reading(connection_pointer self) {
  auto& state = self->state;
  auto wanted = state.ending || (state.protocol->wants_input() && state.held_back.empty());
  if (wanted != state.halted)
    return;
  state.halted = !wanted;
  if (state.halted)
    return self->halt(state.handle);
  self->trigger(state.handle);
  // CAF forgets a trigger that follows a halt in the same turn of its loop: the tick repeats it.
  state.resumed = true;
}

// -- after everything that happens ---

void update_busy(connection_state& state) {
  auto busy = state.welcome && (state.waiting > 0 || !state.protocol->output().empty());
  if (busy == state.busy)
    return;
  state.busy = busy;
  auto& core = *state.core;
  core.busy += busy ? 1 : -1;
  if (core.busy == 0 && core.context->counters->draining)
    if (auto gateway = caf::actor_cast<caf::actor>(core.gateway))
      caf::anon_send(gateway, tick_atom_v);
}

void settle(connection_pointer self) {
  if (!attached(self))
    return;
  if (!pump(self))
    return leave(self);
  say_end(self);
  update_reading(self);
  update_busy(self->state);
  schedule_tick(self);
}

void tick(connection_pointer self) {
  auto& state = self->state;
  state.tick_is_due = false;
  if (!look_at_clock(self))
    return leave(self);
  if (std::exchange(state.resumed, false) && !state.halted)
    self->trigger(state.handle);
  take_events(self);
  settle(self);
}

/// The time has come for a hello that was held back.
void judge(connection_pointer self) {
  auto& state = self->state;
  state.judged = true;
  feed(self, std::exchange(state.held_back, {}));
  settle(self);
}

void take_answer(connection_pointer self, const client_answer& x) {
  if (x.problem)
    refuse(self, x.id, *x.problem);
  else
    reply(self, x.id, x.header, x.tensors);
  settle(self);
}

void lose_session(connection_pointer self) {
  self->state.session = nullptr;
  if (self->state.ending)
    return;
  self->state.protocol->close(
    {ec::internal, "a defect ended the session of this connection: connect again", 0, {}});
  take_events(self);
  settle(self);
}

void open(connection_pointer self, caf::io::connection_handle handle,
          std::shared_ptr<gateway_core> core, const std::string& address) {
  auto& state = self->state;
  state.address = address;
  state.core = std::move(core);
  state.handle = handle;
  state.protocol.emplace(state.core->protocol);
  state.opened = self->clock().now();
  self->ack_writes(handle, true);
  self->configure_read(handle, caf::io::receive_policy::at_most(first_read));
  state.protocol->start();
  settle(self);
}

} // namespace

connection_state::~connection_state() {
  if (!core)
    return;
  drop_session(*this);
  waiting = 0;
  protocol.reset();
  auto& counters = *core->context->counters;
  --(welcome ? counters.connections : counters.handshakes);
  core->guard->leave(address, welcome, std::chrono::steady_clock::now());
  if (busy && --core->busy == 0 && counters.draining)
    if (auto gateway = caf::actor_cast<caf::actor>(core->gateway))
      caf::anon_send(gateway, tick_atom_v);
}

caf::behavior connection(connection_pointer self, caf::io::connection_handle handle,
                         std::shared_ptr<gateway_core> core, const std::string& address) {
  set_actor_defaults(self);
  self->set_exit_handler([self](caf::exit_msg& x) { leave(self, std::move(x.reason)); });
  self->set_down_handler([self](caf::down_msg&) { lose_session(self); });
  open(self, handle, std::move(core), address);
  return {
    // From the socket.
    [self](const caf::io::new_data_msg& x) {
      feed(self, std::as_bytes(std::span{x.buf}));
      if (x.buf.size() == first_read && self->state.held_back.empty())
        read_more(self);
      settle(self);
    },
    [self](const caf::io::data_transferred_msg& x) {
      auto& state = self->state;
      state.handed -= std::min<size_t>(x.written, state.handed);
      state.protocol->sent(x.written);
      settle(self);
    },
    [self](const caf::io::connection_closed_msg&) { self->quit(); },
    // From the session.
    [self](answer_atom, const client_answer& x) { take_answer(self, x); },
    [self](publish_atom, uint64_t id, const std::string& header) {
      self->state.protocol->event(id, header);
      settle(self);
    },
    [self](drop_atom, const client_answer& x) {
      self->state.protocol->fail_frame(x.id, *x.problem);
      take_events(self);
      settle(self);
    },
    // From the gateway.
    [self](drain_atom) {
      if (self->state.session)
        self->send(self->state.session, drain_atom_v);
    },
    [self](reset_atom) -> caf::result<uint64_t> {
      if (self->state.session)
        return self->delegate(self->state.session, reset_atom_v);
      return uint64_t{0};
    },
    [self](tick_atom) { tick(self); },
    [self](restart_atom) { judge(self); },
  };
}

} // namespace luna
