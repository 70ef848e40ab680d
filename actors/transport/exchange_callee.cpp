#include <caf/all.hpp>

#include <utility>

#include "actors/support/timed_request.hpp"
#include "actors/transport/exchange_calls.hpp"
#include "messages/error.hpp"

namespace luna::exchange_calls {

namespace {

incoming_call* find(self_pointer self, const incoming_key& key) {
  auto i = self->state.incoming.find(key);
  return i == self->state.incoming.end() ? nullptr : &i->second;
}

void pump(self_pointer self, const incoming_key& key, incoming_call& call) {
  while (call.grant.chunks > 0) {
    auto chunk = call.reply.next(call.offer.call, true, call.grant.landing);
    if (!chunk)
      break;
    --call.grant.chunks;
    self->send(call.offer.caller, chunk_atom_v, std::move(*chunk));
  }
  if (call.answered && call.reply.done())
    self->state.incoming.erase(key);
}

void answer(self_pointer self, const incoming_key& key, call_answer answer,
            std::vector<named_tensor> tensors) {
  auto* call = find(self, key);
  if (!call)
    return;
  self->state.tasks.erase(call->task);
  call->task = 0;
  call->answered = true;
  call->reply = chunk_cursor{std::move(tensors)};
  answer.call = call->offer.call;
  answer.tensors = call->reply.shapes();
  self->send(call->offer.caller, answer_atom_v, std::move(answer));
  if (call->reply.done())
    self->state.incoming.erase(key);
}

void answer_problem(self_pointer self, const incoming_key& key, const caf::error& err) {
  call_answer x;
  // CAF's own errors mean something else on the other side.
  x.problem = make_error(to_failure(err, "the pool"));
  answer(self, key, std::move(x), {});
}

void start_task(self_pointer self, const incoming_key& key, incoming_call& call) {
  auto pool = self->state.pools.find(call.offer.pool);
  if (pool == self->state.pools.end())
    return answer_problem(
      self, key, make_error(ec::unavailable, "the pool " + call.offer.pool + " went away"));
  model_task task;
  task.header = call.offer.task;
  task.header.id = call.task = next_task_id();
  task.tensors = call.arguments.take();
  task.listener = caf::actor_cast<progress_actor>(self->ctrl());
  self->state.tasks.emplace(call.task, key);
  // The call's own end comes first: it cancels the work.
  std::chrono::milliseconds patience{call.offer.deadline_ms};
  timed_request(self, patience + 2 * grace, pool->second, run_atom_v, std::move(task))
    .then(
      [self, key](model_result& x) {
        call_answer y;
        y.answer = std::move(x.answer);
        answer(self, key, std::move(y), std::move(x.tensors));
      },
      [self, key](const caf::error& err) { answer_problem(self, key, err); });
}

void start_save(self_pointer self, const incoming_key& key, incoming_call& call) {
  save_submission job{std::move(call.offer.save_task), std::move(call.offer.save_key),
                      call.arguments.take()};
  std::chrono::milliseconds patience{call.offer.deadline_ms};
  timed_request(self, patience + 2 * grace, self->state.saves, submit_atom_v, std::move(job))
    .then(
      [self, key](std::string& x) {
        call_answer y;
        y.save_reply = std::move(x);
        answer(self, key, std::move(y), {});
      },
      [self, key](const caf::error& err) { answer_problem(self, key, err); });
}

void start(self_pointer self, const incoming_key& key, incoming_call& call) {
  if (call.offer.pool.empty())
    start_save(self, key, call);
  else
    start_task(self, key, call);
}

result<void> refuse_unknown(self_pointer self, const call_offer& offer) {
  if (!offer.caller)
    return fail(ec::internal, "a call without a caller");
  if (offer.pool.empty() && !self->state.saves)
    return fail(ec::unavailable, "this node does not save now; try again", std::chrono::seconds{1});
  if (!offer.pool.empty() && self->state.pools.count(offer.pool) == 0)
    return fail(ec::unavailable, "this node has no pool " + offer.pool + " now; try again",
                std::chrono::seconds{1});
  return {};
}

} // namespace

caf::result<chunk_grant> accept(self_pointer self, call_offer& offer) {
  if (auto ok = refuse_unknown(self, offer); !ok)
    return make_error(ok.error());
  incoming_key key{caf::actor_cast<caf::actor_addr>(offer.caller), offer.call};
  if (find(self, key))
    return make_error(ec::internal, "a call number that is in use");
  auto arguments = tensor_assembly::open(offer.tensors, *self->state.buffers);
  if (!arguments)
    return make_error(arguments.error());
  meet(self, offer.caller);
  auto& call = self->state.incoming[key];
  call.offer = std::move(offer);
  call.arguments = std::move(*arguments);
  call.deadline = watch_deadline(self, call.offer.deadline_ms);
  if (!call.arguments.complete())
    return chunk_grant{window, call.arguments.landing()};
  start(self, key, call);
  return chunk_grant{};
}

void take_argument_chunk(self_pointer self, const incoming_key& key, const tensor_chunk& chunk) {
  auto* call = find(self, key);
  if (!call || call->task != 0 || call->answered)
    return;
  if (auto ok = call->arguments.add(chunk); !ok)
    return answer_problem(self, key, make_error(ok.error()));
  if (call->arguments.complete())
    return start(self, key, *call);
  if (++call->since_grant == grant_step) {
    call->since_grant = 0;
    self->send(call->offer.caller, credit_atom_v, call->offer.call, false,
               chunk_grant{grant_step, call->arguments.landing()});
  }
}

void add_reply_grant(self_pointer self, const incoming_key& key, const chunk_grant& more) {
  auto* call = find(self, key);
  if (!call)
    return;
  add(call->grant, more);
  pump(self, key, *call);
}

void drop(self_pointer self, const incoming_key& key) {
  auto node = self->state.incoming.extract(key);
  if (node.empty())
    return;
  auto& call = node.mapped();
  if (call.task == 0)
    return;
  self->state.tasks.erase(call.task);
  auto pool = self->state.pools.find(call.offer.pool);
  if (pool != self->state.pools.end())
    self->send<caf::message_priority::high>(pool->second, cancel_atom_v, call.task);
}

} // namespace luna::exchange_calls
