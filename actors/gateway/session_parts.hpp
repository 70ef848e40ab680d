#pragma once

#include <caf/all.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/gateway/session.hpp"
#include "actors/gateway/session_actor.hpp"
#include "actors/support/timed_request.hpp"
#include "messages/error.hpp"
#include "protocol/request_fields.hpp"

// INTERNAL to the session and its commands: what they do with a request. See session.hpp.

namespace luna::session_parts {

using self_pointer = session_actor::stateful_pointer<session_state>;
using protocol::field_reader;
using protocol::json;

/// How much longer than its deadline a request to a pool may take: the pool's `timeout` comes
/// first.
inline constexpr std::chrono::seconds grace{2};

/// The request of a task id; nullptr once it is answered.
active_request* find_request(self_pointer self, uint64_t task);

/// Time until a request's deadline, at least a millisecond.
std::chrono::milliseconds left(self_pointer self, const active_request& request);

/// Reads the fields that every command has, and sets the deadline.
protocol::common_fields read_common(self_pointer self, active_request& request, field_reader& in,
                                    const protocol::common_use& use = {});

/// Answers a request; it is gone then. Does nothing if it is answered already.
void answer(self_pointer self, uint64_t task, std::string header,
            std::vector<named_tensor> tensors = {});
void answer_json(self_pointer self, uint64_t task, const json& header);
void refuse(self_pointer self, uint64_t task, const failure& why);

/// Answers `cancelled` and takes the work back. @returns false if that cannot be done any more.
bool cancel(self_pointer self, uint64_t task);

/// The same for all requests but one; a node that stops says `shutting_down`. @returns how many.
uint64_t cancel_all(self_pointer self, uint64_t except = 0);

/// Asks an actor on behalf of a request. `then(answer)` is called if the request still waits; an
/// error answers it.
/// @param what names `who` in messages.
template <class Answer, class Handle, class Then, class... Ts>
void ask(self_pointer self, uint64_t task, std::chrono::milliseconds patience, const Handle& who,
         std::string_view what, Then then, Ts&&... xs) {
  if (!who)
    return refuse(self, task,
                  {ec::unavailable, std::string{what} + " is not running; try again", 1000, {}});
  timed_request(self, patience, who, std::forward<Ts>(xs)...)
    .then(
      [self, task, then](Answer& x) mutable {
        if (find_request(self, task) != nullptr)
          then(x);
      },
      [self, task, what = std::string{what}](const caf::error& err) {
        refuse(self, task, to_failure(err, what));
      });
}

// -- requests to models (session_models.cpp) ---

/// Runs a task on a pool that has its model, and once more elsewhere if that pool goes away.
void run_model(self_pointer self, uint64_t task, model_task what);

/// Goes on with a request whose first pool went away.
void run_elsewhere(self_pointer self, uint64_t task);

/// Tells the pool of a request, or whoever waits for its job, that nobody wants the answer.
void take_back(self_pointer self, uint64_t task, const active_request& request);

/// Passes progress on, at most ten times a second.
void tell_progress(self_pointer self, const task_progress& x);

} // namespace luna::session_parts
