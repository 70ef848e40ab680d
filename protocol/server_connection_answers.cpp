#include <algorithm>
#include <utility>

#include "protocol/server_connection.hpp"

// The other half of server_connection: answers, events, and which requests wait for one.

namespace luna::protocol {

namespace {

/// Replies up to this size are held without a share of the budget.
constexpr uint64_t small_reply = 64 << 10;

failure problem(ec code, std::string message) {
  return {code, std::move(message), 0, {}};
}

} // namespace

// -- out ---

void server_connection::sent(uint64_t n) {
  output_.consume(n, [this](outgoing_frame& frame) {
    if (frame.kind == frame_kind::event)
      event_bytes_ -= frame.size;
    else if (frame.id != 0)
      forget(frame.id);
  });
  tell_lost_events();
}

result<bool> server_connection::reply(uint64_t id, std::string_view header,
                                      std::span<const named_tensor> tensors) {
  auto* request = waiting(id);
  if (request == nullptr)
    return false;
  auto frame = reply_frame(id, header, tensors, config_->limits);
  if (!frame)
    return luna::fail(frame);
  if (frame->size > small_reply) {
    auto share = config_->buffers->try_take(frame->size);
    if (!share)
      return tl::make_unexpected(out_of_buffers());
    frame->share = std::move(*share);
  }
  request->answered = true;
  output_.push(std::move(*frame));
  return true;
}

bool server_connection::refuse(uint64_t id, const failure& why) {
  auto* request = waiting(id);
  if (request == nullptr)
    return false;
  request->answered = true;
  output_.push(error_frame(id, why));
  return true;
}

bool server_connection::event(uint64_t id, std::string_view header) {
  if (state_ != state::open || (id != 0 && waiting(id) == nullptr))
    return false;
  if (lost_events_ > 0 || event_bytes_ + head_size + header.size() > config_->max_event_bytes) {
    ++lost_events_;
    return false;
  }
  push_event(id, header);
  return true;
}

void server_connection::push_event(uint64_t id, std::string_view header) {
  auto frame = header_frame(frame_kind::event, id, header);
  event_bytes_ += frame.size;
  output_.push(std::move(frame));
}

void server_connection::tell_lost_events() {
  if (state_ != state::open || lost_events_ == 0 || event_bytes_ > config_->max_event_bytes / 2)
    return;
  push_event(0, json{{"event", "lost"}, {"n", std::exchange(lost_events_, 0)}}.dump());
}

bool server_connection::does_not_count(uint64_t id) {
  auto* request = waiting(id);
  if (request == nullptr || !request->counts || uncounted_ >= config_->max_waiting)
    return false;
  request->counts = false;
  --counted_;
  ++uncounted_;
  return true;
}

void server_connection::fail_frame(uint64_t id, const failure& why) {
  break_off(id, why);
}

void server_connection::close(const failure& why) {
  break_off(0, why);
}

void server_connection::timed_out(timer what) {
  switch (what) {
  case timer::hello:
    return break_off(0, problem(ec::timeout, "the client has not said hello within 10 s"));
  case timer::frame:
    return break_off(0, problem(ec::timeout, "a frame has made no progress for 30 s"));
  case timer::write:
    return break_off(0, problem(ec::timeout, "the client has read nothing for 30 s"));
  }
}

// -- requests ---

server_connection::request_state* server_connection::waiting(uint64_t id) {
  if (state_ == state::closed)
    return nullptr;
  auto i = requests_.find(id);
  return i == requests_.end() || i->second.answered ? nullptr : &i->second;
}

void server_connection::forget(uint64_t id) {
  auto i = requests_.find(id);
  if (i == requests_.end() || !i->second.answered)
    return;
  --(i->second.counts ? counted_ : uncounted_);
  requests_.erase(i);
}

} // namespace luna::protocol
