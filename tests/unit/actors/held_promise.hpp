#pragma once

#include <caf/all.hpp>

#include <utility>

namespace luna::testing {

/// A promise that a fake actor made and that a test keeps, outside of any actor. What the actor
/// last ran on is gone by then (CAF 0.17.6 keeps a pointer to it), so it is forgotten first.
template <class T>
class held_promise {
public:
  template <class Self>
  explicit held_promise(Self* self)
    : maker_(self), promise_(self->template make_response_promise<T>()) {}

  /// @param x  a T or a `caf::error`
  template <class X>
  void deliver(X&& x) {
    maker_->context(nullptr);
    promise_.deliver(std::forward<X>(x));
  }

  /// For the fake's handler to return.
  const caf::typed_response_promise<T>& promise() const { return promise_; }

private:
  caf::local_actor* maker_; ///< lives as long as the promise, which holds it
  caf::typed_response_promise<T> promise_;
};

} // namespace luna::testing
