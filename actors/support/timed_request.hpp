#pragma once

#include <caf/all.hpp>

#include <chrono>
#include <utility>

namespace luna {

/// self->request(...).then(...) whose timer goes when the answer comes.
///
/// The problem: CAF 0.17 keeps the timer of a request in its clock until it is due, whether the
/// answer has come or not. A deadline may be a day away, and a client may ask thousands of times a
/// second.
///
/// Use it where the timeout is a client's; timers of a few seconds cost less than taking them back.
/// Thread rule: called from within the actor.

template <class Self, class F, class Arguments>
class untimed_handler;

/// Takes the timer back, then calls the handler. Not a template call operator: CAF reads its types.
template <class Self, class F, class... Ts>
class untimed_handler<Self, F, caf::detail::type_list<Ts...>> {
public:
  untimed_handler(Self* self, caf::message_id id, F handler)
    : self_(self), id_(id), handler_(std::move(handler)) {}

  void operator()(Ts... xs) {
    self_->clock().cancel_request_timeout(self_, id_);
    handler_(std::forward<Ts>(xs)...);
  }

private:
  Self* self_;
  caf::message_id id_;
  F handler_;
};

/// What timed_request gives: `then` as CAF's own.
template <class Self, class Response>
class timed_response {
public:
  timed_response(Self* self, Response response) : self_(self), response_(std::move(response)) {}

  template <class F, class OnError>
  void then(F handler, OnError on_error) {
    response_.then(untimed(std::move(handler)), untimed(std::move(on_error)));
  }

private:
  template <class F>
  auto untimed(F handler) {
    using arguments = typename caf::detail::get_callable_trait_t<F>::arg_types;
    return untimed_handler<Self, F, arguments>{self_, response_.id(), std::move(handler)};
  }

  Self* self_;
  Response response_;
};

template <class Self, class Handle, class... Ts>
auto timed_request(Self* self, std::chrono::milliseconds patience, const Handle& who, Ts&&... xs) {
  auto response = self->request(who, patience, std::forward<Ts>(xs)...);
  return timed_response<Self, decltype(response)>{self, response};
}

/// The number of the request that an actor works on. Unique together with its sender.
template <class Self>
uint64_t request_number(Self* self) {
  return self->current_mailbox_element()->mid.request_id().integer_value();
}

} // namespace luna
