#include "actors/gateway/connection_flow.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "actors/support/tcp_socket.hpp"

namespace luna {

namespace {

/// What CAF holds of the output while the socket is full.
constexpr size_t held_piece = 64 << 10;

/// What is offered to the socket at once, and what leaves before others have their turn.
constexpr size_t write_step = 1 << 20;
constexpr uint64_t write_turn = 4 << 20;

/// How long the client may take to read what was wrong.
constexpr std::chrono::seconds linger{2};

constexpr std::chrono::milliseconds min_tick{10};
constexpr std::chrono::milliseconds max_tick{1000};

} // namespace

int connection_flow::descriptor(connection_pointer self) {
  return static_cast<int>(self->state.handle.id());
}

using namespace connection_flow;

// -- out ---

namespace {

/// Leaves a piece of the output with CAF, which tells when it is gone.
void hand_over(connection_pointer self) {
  auto& state = self->state;
  auto piece = state.protocol->output().next();
  piece = piece.first(std::min(piece.size(), held_piece));
  auto* bytes = reinterpret_cast<const char*>(piece.data());
  self->wr_buf(state.handle).assign(bytes, bytes + piece.size());
  state.handed = piece.size();
  self->flush(state.handle);
}

/// Cuts pieces down to `most` bytes in all. @returns how many are left, and their bytes.
std::pair<size_t, size_t> cut(std::span<iovec> pieces, size_t most) {
  size_t total = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    pieces[i].iov_len = std::min(pieces[i].iov_len, most - total);
    total += pieces[i].iov_len;
    if (total == most)
      return {i + 1, total};
  }
  return {pieces.size(), total};
}

} // namespace

bool connection_flow::pump(connection_pointer self) {
  auto& state = self->state;
  auto& output = state.protocol->output();
  uint64_t in_turn = 0;
  while (state.handed == 0 && !output.empty()) {
    std::array<iovec, 16> pieces;
    auto [count, offered] = cut(std::span{pieces}.first(output.gather(pieces)), write_step);
    auto n = write_some(descriptor(self), std::span{pieces}.first(count));
    if (!n)
      return false;
    state.protocol->sent(*n);
    in_turn += *n;
    if (!output.empty() && (*n < offered || in_turn >= write_turn))
      hand_over(self);
  }
  return true;
}

// -- time ---

namespace {

bool needs_tick(const connection_state& state) {
  return !state.protocol->said_hello() || state.protocol->mid_frame()
      || !state.protocol->output().empty() || state.ending || state.resumed;
}

} // namespace

void connection_flow::schedule_tick(connection_pointer self) {
  auto& state = self->state;
  if (!needs_tick(state)) {
    state.watched = false;
    return;
  }
  if (!std::exchange(state.watched, true))
    state.received.since = state.sent.since = self->clock().now();
  if (std::exchange(state.tick_is_due, true))
    return;
  auto shortest = std::min(state.core->hello_time, state.core->progress_time);
  self->delayed_send(self, std::clamp(shortest / 10, min_tick, max_tick), tick_atom_v);
}

bool connection_flow::look_at_clock(connection_pointer self) {
  auto& state = self->state;
  auto& protocol = *state.protocol;
  auto now = self->clock().now();
  using timer = protocol::server_connection::timer;
  if (!protocol.mid_frame() || state.halted)
    state.received.since = now;
  if (protocol.output().empty())
    state.sent.since = now;
  if (state.sent.stalled(protocol.output().sent_bytes(), now) > state.core->progress_time)
    return false; // who reads nothing reads no error either
  if (state.said_end)
    return now - state.ended < linger;
  if (state.received.stalled(protocol.received_bytes(), now) > state.core->progress_time)
    protocol.timed_out(timer::frame);
  if (!protocol.said_hello() && !state.ending && now - state.opened > state.core->hello_time)
    protocol.timed_out(timer::hello);
  return true;
}

} // namespace luna
