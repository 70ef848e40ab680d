#include <caf/all.hpp>

#include <string>
#include <utility>

#include "actors/gateway/commands/answer_json.hpp"
#include "actors/gateway/session_parts.hpp"
#include "base/reply_size.hpp"

namespace luna::session_parts {

namespace {

/// Before a pool is looked for again: by then the directory has heard that a node is gone.
constexpr std::chrono::milliseconds second_look{200};

constexpr std::chrono::milliseconds progress_pause{100};

bool same_place(const route& x, const route& y) {
  return x.here == y.here && x.there == y.there && x.pool == y.pool;
}

/// The net under what pools check before their work.
result<void> check_size(const std::vector<named_tensor>& tensors, uint64_t limit) {
  std::vector<tensor_shape> shapes;
  for (auto& x : tensors)
    shapes.push_back({x.name, x.tensor.type(), x.tensor.shape()});
  return check_reply_size(shapes, limit);
}

void finish(self_pointer self, uint64_t task, model_result& x) {
  auto* request = find_request(self, task);
  if (request == nullptr)
    return;
  if (auto ok = check_size(x.tensors, self->state.context->limits.body_bytes); !ok)
    return refuse(self, task, ok.error());
  auto header = json::object();
  if (request->render)
    request->render(x.answer, header);
  if (!x.answer.warnings.empty())
    header["warnings"] = commands::to_json(x.answer.warnings);
  answer(self, task, protocol::dump_header(header), std::move(x.tensors));
}

/// A pool did not answer: once more if it went away, and there is time.
void lose(self_pointer self, uint64_t task, failure why) {
  auto* request = find_request(self, task);
  if (request == nullptr)
    return;
  request->running = false;
  auto gone = why.code == ec::unavailable || why.code == ec::shutting_down;
  auto again = gone && !request->first_failure && left(self, *request) > 2 * second_look;
  if (!again)
    return refuse(self, task, why);
  request->first_failure = std::move(why);
  self->delayed_send(self, second_look, retry_atom_v, task);
}

void start(self_pointer self, uint64_t task, const route& to) {
  auto* request = find_request(self, task);
  if (request == nullptr)
    return;
  if (request->first_failure && same_place(to, request->where))
    return refuse(self, task, failure{*request->first_failure});
  request->where = to;
  request->running = true;
  auto what = *request->task;
  auto rest = left(self, *request);
  what.header.deadline_ms = static_cast<uint32_t>(rest.count());
  auto done = [self, task](model_result& x) { finish(self, task, x); };
  auto lost = [self, task](const caf::error& err) {
    lose(self, task, to_failure(err, "the pool"));
  };
  if (to.local)
    timed_request(self, rest + grace, to.here, run_atom_v, std::move(what)).then(done, lost);
  else
    timed_request(self, rest + grace, self->state.context->exchange, run_atom_v, to,
                  std::move(what))
      .then(done, lost);
}

void look_up(self_pointer self, uint64_t task, const active_request& request) {
  auto& header = request.task->header;
  timed_request(self, left(self, request), self->state.context->directory, find_atom_v,
                header.pool_kind, header.model)
    .then([self, task](const route& to) { start(self, task, to); },
          [self, task](const caf::error& err) {
            if (auto* request = find_request(self, task))
              refuse(self, task,
                     request->first_failure ? failure{*request->first_failure}
                                            : to_failure(err, "the directory"));
          });
}

} // namespace

void run_model(self_pointer self, uint64_t task, model_task what) {
  auto* request = find_request(self, task);
  what.header.id = task;
  what.header.client = self->state.client;
  what.header.wants_progress = request->wants_progress;
  if (request->wants_progress)
    what.listener = caf::actor_cast<progress_actor>(self->ctrl());
  request->task = std::make_shared<const model_task>(std::move(what));
  look_up(self, task, *request);
}

void run_elsewhere(self_pointer self, uint64_t task) {
  if (auto* request = find_request(self, task))
    look_up(self, task, *request);
}

void take_back(self_pointer self, uint64_t task, const active_request& request) {
  if (request.waiter)
    self->send(request.waiter, drop_atom_v);
  if (!request.running)
    return;
  if (request.where.local)
    self->send<caf::message_priority::high>(request.where.here, cancel_atom_v, task);
  else
    self->send<caf::message_priority::high>(self->state.context->exchange, cancel_atom_v, task);
}

void tell_progress(self_pointer self, const task_progress& x) {
  auto* request = find_request(self, x.id);
  auto now = self->clock().now();
  if (request == nullptr || !request->wants_progress
      || (request->last_progress && now - *request->last_progress < progress_pause))
    return;
  request->last_progress = now;
  json header{{"event", "progress"}, {"value", x.value}, {"max", x.max}, {"stage", x.stage}};
  self->send(self->state.connection, publish_atom_v, request->id, protocol::dump_header(header));
}

} // namespace luna::session_parts
