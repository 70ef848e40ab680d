#include "actors/transport/exchange.hpp"

#include <caf/all.hpp>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "actors/support/actor_defaults.hpp"
#include "actors/transport/exchange_calls.hpp"
#include "messages/error.hpp"

namespace luna {

using namespace exchange_calls;

namespace {

/// Ends everything that a peer had to do with.
void lose(self_pointer self, const caf::actor_addr& gone) {
  auto& state = self->state;
  if (state.peers.erase(gone) == 0)
    return;
  std::vector<uint64_t> calls;
  for (auto& [id, call] : state.outgoing)
    if (call.peer.address() == gone)
      calls.push_back(id);
  failure why{
    ec::unavailable, "the node that worked on the request went away; try again", 1000, {}};
  for (auto id : calls)
    give_up(self, id, why, false);
  std::vector<incoming_key> keys;
  for (auto& [key, call] : state.incoming)
    if (key.first == gone)
      keys.push_back(key);
  for (auto& key : keys)
    drop(self, key);
}

incoming_key key_of_sender(self_pointer self, uint64_t call) {
  return {caf::actor_cast<caf::actor_addr>(self->current_sender()), call};
}

void cancel(self_pointer self, uint64_t id) {
  auto key = key_of_sender(self, id);
  if (self->state.peers.count(key.first))
    return drop(self, key);
  give_up(self, id, failure{ec::cancelled, "the request was cancelled", 0, {}}, true);
}

void pass_progress(self_pointer self, task_progress& x) {
  auto& state = self->state;
  if (auto task = state.tasks.find(x.id); task != state.tasks.end()) {
    auto& offer = state.incoming[task->second].offer;
    x.id = offer.call;
    self->send(offer.caller, progress_atom_v, std::move(x));
  } else if (auto call = state.outgoing.find(x.id);
             call != state.outgoing.end() && call->second.listener) {
    self->send(call->second.listener, progress_atom_v, std::move(x));
  }
}

/// The calls of a map whose time is over, and when the next one's is.
template <class Key, class Call>
std::vector<Key> overdue(const std::map<Key, Call>& calls, wake_up::time_point now,
                         std::optional<wake_up::time_point>& next) {
  std::vector<Key> keys;
  for (auto& [key, call] : calls)
    if (call.deadline <= now)
      keys.push_back(key);
    else
      next = next ? std::min(*next, call.deadline) : call.deadline;
  return keys;
}

void expire(self_pointer self, uint64_t generation) {
  auto& state = self->state;
  if (!state.wake.woke(generation))
    return;
  auto now = self->clock().now();
  std::optional<wake_up::time_point> next;
  for (auto id : overdue(state.outgoing, now, next))
    give_up(self, id, failure{ec::timeout, "the request's deadline passed", 0, {}}, true);
  for (auto& key : overdue(state.incoming, now, next))
    drop(self, key);
  if (next)
    schedule(self, state.wake, *next);
}

} // namespace

void exchange_calls::meet(self_pointer self, const exchange_peer_actor& peer) {
  if (self->state.peers.emplace(peer.address(), peer).second)
    self->monitor(peer);
}

void exchange_calls::add(chunk_grant& left, const chunk_grant& more) {
  left.chunks += more.chunks;
  left.landing = more.landing;
}

wake_up::time_point exchange_calls::watch_deadline(self_pointer self, uint32_t deadline_ms) {
  auto deadline = self->clock().now() + std::chrono::milliseconds{deadline_ms} + grace;
  schedule(self, self->state.wake, deadline);
  return deadline;
}

exchange_actor::behavior_type exchange(exchange_actor::stateful_pointer<exchange_state> self,
                                       std::shared_ptr<byte_budget> buffers) {
  set_actor_defaults(self);
  self->state.buffers = std::move(buffers);
  self->set_down_handler([self](caf::down_msg& x) { lose(self, x.source); });
  return {
    [self](open_atom, call_offer& offer) { return accept(self, offer); },
    [self](chunk_atom, const tensor_chunk& chunk) {
      if (chunk.reply)
        take_reply_chunk(self, chunk);
      else
        take_argument_chunk(self, key_of_sender(self, chunk.call), chunk);
    },
    [self](credit_atom, uint64_t call, bool reply, const chunk_grant& more) {
      if (reply)
        add_reply_grant(self, key_of_sender(self, call), more);
      else
        add_grant(self, call, more);
    },
    [self](answer_atom, call_answer& answer) { take_answer(self, answer); },
    [self](cancel_atom, uint64_t id) { cancel(self, id); },
    [self](progress_atom, task_progress& x) { pass_progress(self, x); },
    [self](run_atom, const route& to, model_task& task) { return call_pool(self, to, task); },
    [self](submit_atom, const route& to, save_submission& job, uint32_t deadline_ms) {
      return call_save(self, to, job, deadline_ms);
    },
    [self](register_atom, const std::string& name, const pool_actor& pool) {
      if (pool)
        self->state.pools[name] = pool;
      else
        self->state.pools.erase(name);
    },
    [self](register_atom, const save_sink_actor& sink) { self->state.saves = sink; },
    [self](expire_atom, uint64_t generation) { expire(self, generation); },
  };
}

} // namespace luna
