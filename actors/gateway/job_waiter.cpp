#include "actors/gateway/job_waiter.hpp"

#include <caf/all.hpp>

#include <memory>
#include <utility>

#include "actors/support/actor_defaults.hpp"
#include "messages/error.hpp"

namespace luna {

namespace {

using answer_promise = caf::typed_response_promise<std::string>;

template <class Answer>
void end(job_waiter_actor::pointer self, answer_promise& promise, Answer&& x) {
  if (promise.pending())
    promise.deliver(std::forward<Answer>(x));
  self->quit();
}

} // namespace

job_waiter_actor::behavior_type job_waiter(job_waiter_actor::pointer self, save_queue_actor queue,
                                           std::string job, uint32_t timeout_ms,
                                           std::chrono::milliseconds patience) {
  set_actor_defaults(self);
  auto promise = std::make_shared<answer_promise>();
  return {
    [=](wait_atom) {
      *promise = self->make_response_promise<std::string>();
      self->request(queue, patience, wait_atom_v, job, timeout_ms)
        .then([=](std::string& x) { end(self, *promise, std::move(x)); },
              [=](const caf::error& err) { end(self, *promise, err); });
      return *promise;
    },
    [=](drop_atom) {
      end(self, *promise, make_error(ec::cancelled, "nobody waits for the job any more"));
    },
  };
}

} // namespace luna
