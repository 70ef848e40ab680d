#include <caf/all.hpp>

#include <utility>

#include "actors/transport/exchange_calls.hpp"
#include "messages/error.hpp"

namespace luna::exchange_calls {

namespace {

/// How long the other side may take to accept an offer.
constexpr std::chrono::seconds offer_patience{10};

failure gone(const outgoing_call& call) {
  return {ec::unavailable,
          std::string{call.save ? "the saving node" : "the node of the pool"}
            + " did not take the request; try again",
          500,
          {}};
}

void pump(self_pointer self, uint64_t id, outgoing_call& call) {
  while (call.grant.chunks > 0) {
    auto chunk = call.arguments.next(id, false, call.grant.landing);
    if (!chunk)
      return;
    --call.grant.chunks;
    self->send(call.peer, chunk_atom_v, std::move(*chunk));
  }
}

void succeed(self_pointer self, uint64_t id) {
  auto node = self->state.outgoing.extract(id);
  auto& call = node.mapped();
  if (call.save)
    call.saved.deliver(std::move(call.answer.save_reply));
  else
    call.result.deliver(model_result{std::move(call.answer.answer), call.reply.take()});
}

void open(self_pointer self, outgoing_call&& call, call_offer offer) {
  auto id = offer.call;
  auto peer = call.peer;
  meet(self, peer);
  offer.caller = caf::actor_cast<exchange_peer_actor>(self->ctrl());
  offer.tensors = call.arguments.shapes();
  call.deadline = watch_deadline(self, offer.deadline_ms);
  self->state.outgoing.emplace(id, std::move(call));
  self->request(peer, offer_patience, open_atom_v, std::move(offer))
    .then([self, id](const chunk_grant& grant) { add_grant(self, id, grant); },
          [self, id](const caf::error& err) {
            auto i = self->state.outgoing.find(id);
            if (i == self->state.outgoing.end())
              return;
            auto ours = err.category() == error_category();
            give_up(self, id, ours ? to_failure(err, "the other node") : gone(i->second), !ours);
          });
}

} // namespace

caf::typed_response_promise<model_result> call_pool(self_pointer self, const route& to,
                                                    model_task& task) {
  outgoing_call call;
  call.peer = to.there;
  call.arguments = chunk_cursor{std::move(task.tensors)};
  call.listener = std::move(task.listener);
  call.result = self->make_response_promise<model_result>();
  auto promise = call.result;
  call_offer offer;
  offer.call = task.header.id;
  offer.pool = to.pool;
  offer.deadline_ms = task.header.deadline_ms;
  offer.task = std::move(task.header);
  open(self, std::move(call), std::move(offer));
  return promise;
}

caf::typed_response_promise<std::string> call_save(self_pointer self, const route& to,
                                                   save_submission& job, uint32_t deadline_ms) {
  outgoing_call call;
  call.peer = to.there;
  call.save = true;
  call.arguments = chunk_cursor{std::move(job.tensors)};
  call.saved = self->make_response_promise<std::string>();
  auto promise = call.saved;
  call_offer offer;
  offer.call = next_task_id();
  offer.save_task = std::move(job.task);
  offer.save_key = std::move(job.key);
  offer.deadline_ms = deadline_ms;
  open(self, std::move(call), std::move(offer));
  return promise;
}

void add_grant(self_pointer self, uint64_t id, const chunk_grant& more) {
  auto i = self->state.outgoing.find(id);
  if (i == self->state.outgoing.end())
    return;
  add(i->second.grant, more);
  pump(self, id, i->second);
}

void take_answer(self_pointer self, call_answer& answer) {
  auto id = answer.call;
  auto i = self->state.outgoing.find(id);
  if (i == self->state.outgoing.end())
    return;
  if (answer.problem)
    return give_up(self, id, to_failure(answer.problem, "the other node"), false);
  auto& call = i->second;
  auto reply = tensor_assembly::open(answer.tensors, *self->state.buffers);
  if (!reply)
    return give_up(self, id, reply.error(), true);
  call.reply = std::move(*reply);
  call.answer = std::move(answer);
  call.answered = true;
  // Nobody sends before there is memory to receive it.
  self->send(call.peer, credit_atom_v, id, true, chunk_grant{window, call.reply.landing()});
  if (call.reply.complete())
    succeed(self, id);
}

void take_reply_chunk(self_pointer self, const tensor_chunk& chunk) {
  auto i = self->state.outgoing.find(chunk.call);
  if (i == self->state.outgoing.end() || !i->second.answered)
    return;
  auto& call = i->second;
  if (auto ok = call.reply.add(chunk); !ok)
    return give_up(self, chunk.call, ok.error(), true);
  if (call.reply.complete())
    return succeed(self, chunk.call);
  if (++call.since_grant == grant_step) {
    call.since_grant = 0;
    self->send(call.peer, credit_atom_v, chunk.call, true,
               chunk_grant{grant_step, call.reply.landing()});
  }
}

void give_up(self_pointer self, uint64_t id, const failure& why, bool tell_peer) {
  auto node = self->state.outgoing.extract(id);
  if (node.empty())
    return;
  auto& call = node.mapped();
  if (tell_peer)
    self->send<caf::message_priority::high>(call.peer, cancel_atom_v, id);
  if (call.save)
    call.saved.deliver(make_error(why));
  else
    call.result.deliver(make_error(why));
}

} // namespace luna::exchange_calls
