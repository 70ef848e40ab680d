#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/byte_budget.hpp"
#include "base/result.hpp"
#include "base/tensor_block.hpp"
#include "protocol/body.hpp"
#include "protocol/frame.hpp"
#include "protocol/header_json.hpp"
#include "protocol/outgoing.hpp"

namespace luna::protocol {

/// What all connections of a gateway have in common. Immutable while they live.
struct server_config {
  std::string server = "luna/0.1.0";
  std::string node;
  std::string cluster;
  frame_limits limits;

  /// Requests of one connection that may wait for their answer at a time.
  size_t max_in_flight = 64;

  /// Commands that only wait: their requests do not count against max_in_flight from the moment
  /// their header is read, up to max_waiting of them.
  std::vector<std::string> waiting_commands;
  size_t max_waiting = 1024;

  /// Bytes of events that may wait for a client that reads slowly; further ones are dropped and
  /// counted.
  uint64_t max_event_bytes = 1 << 20;

  std::vector<std::string> commands;
  std::vector<std::string> capabilities;

  /// The shared secret, or nothing: then nobody has to prove anything.
  std::optional<std::string> secret;

  /// Memory of all bodies and large headers of the node.
  std::shared_ptr<byte_budget> buffers;
};

/// The client has said who it is; requests may come.
struct hello_done {
  std::string client;
};

/// A request is complete.
struct request_received {
  uint64_t id = 0;

  /// The header. Null if it is large (`raw_header` is not empty): then it is for the receiver to
  /// call parse_header(raw_header) where time does not matter, and fail_frame() if that says so.
  json header;
  std::string raw_header;
  byte_budget::share header_share; ///< memory of raw_header

  received_body body;
};

/// The client no longer wants the answer of a request that is in flight. It must be answered all
/// the same: with `cancelled`, or the result.
struct cancel_received {
  uint64_t id = 0;
};

/// The connection is over: write what output() holds, then close. Nothing comes after this.
struct connection_closed {
  failure why;
};

using connection_event =
  std::variant<hello_done, request_received, cancel_received, connection_closed>;

/// The server's side of one connection, without the socket.
///
/// The problem: everything that a client can do wrong, at any byte, must have one definite answer,
/// and be tested without sockets, clocks and threads. So this is a state machine: bytes go in by
/// feed(), events come out of poll(), bytes to send stand in output().
///
/// Contract:
/// - start() queues the server's hello; whatever is fed, in whatever pieces, gives the same events.
/// - Each request_received is answered once, by reply() or refuse(); answers to ids that wait for
/// none
///   are ignored (they return false). An id is in use until its answer has left output().
/// - Refusals that concern one request (bad_request in its header, overloaded) are answered here;
///   its body is read and dropped and no event tells of it.
/// - What breaks the protocol is answered by an error frame and connection_closed.
/// - Memory is taken as bytes arrive and bounded: headers by their limit, bodies and large headers
///   by `buffers`, requests by max_in_flight, events by max_event_bytes. Errors that pile up
///   because the client does not read are bounded by the caller, who stops reading while
///   !wants_input().
///
/// Clocks are the caller's: a hello takes at most `hello_time` (said_hello()); a frame that has
/// begun (mid_frame()) makes progress (received_bytes()) within `progress_time`, and so does a
/// write (output().sent_bytes()). See timed_out(). Not thread-safe.
class server_connection {
public:
  static constexpr std::chrono::seconds hello_time{10};
  static constexpr std::chrono::seconds progress_time{30};

  enum class timer { hello, frame, write };

  explicit server_connection(std::shared_ptr<const server_config> config);

  /// Queues the server's hello.
  void start();

  // -- in ---

  /// Takes bytes as they come from the socket. Ignores them once closed.
  void feed(std::span<const std::byte> bytes);

  /// The next event, or nothing.
  std::optional<connection_event> poll();

  /// How many bytes to read at most next time: 64 KiB, or up to 1 MiB in the middle of a body.
  size_t next_read_size() const noexcept;

  /// Whether to go on reading: false while too many errors and events wait to leave, and when
  /// closed. Replies do not count: they are bounded by max_in_flight and `buffers`, and a client
  /// may well write its next request before it reads.
  bool wants_input() const noexcept;

  // -- out ---

  /// Bytes to send. Take them by output().next() or gather(), then call sent().
  const output_queue& output() const noexcept { return output_; }

  /// Tells that the next `n` bytes of output() have left.
  void sent(uint64_t n);

  /// Answers a request. @param header a JSON object as text.
  /// @returns false if the id waits for no answer; a failure if the reply passes a limit
  /// (`bad_request`, with the sizes) or the node's buffers (`overloaded`): then the request still
  /// waits and refuse() must answer it.
  result<bool> reply(uint64_t id, std::string_view header,
                     std::span<const named_tensor> tensors = {});

  /// Answers a request with an error. @returns false if the id waits for no answer.
  bool refuse(uint64_t id, const failure& why);

  /// Sends an event of a request, or of the connection (id 0). Dropped if the request is answered
  /// already or the client reads too slowly; then {"event":"lost","n":n} follows as soon as there
  /// is room. @returns whether it was queued.
  bool event(uint64_t id, std::string_view header);

  /// A request turned out to be one that only waits: it counts no longer against max_in_flight.
  /// @returns false if too many wait already; the request goes on counting.
  bool does_not_count(uint64_t id);

  /// A header that was parsed elsewhere turned out to be no header (`bad_frame`): tells and closes.
  void fail_frame(uint64_t id, const failure& why);

  /// Ends the connection for a reason of the caller's. The error is sent with id 0.
  void close(const failure& why);

  /// The same for a time that has passed.
  void timed_out(timer what);

  // -- facts ---

  bool said_hello() const noexcept { return state_ == state::open; }
  bool closed() const noexcept { return state_ == state::closed; }

  /// Whether a frame has begun to arrive and is not complete.
  bool mid_frame() const noexcept;

  /// Bytes received since the beginning: a counter to see progress by.
  uint64_t received_bytes() const noexcept { return received_; }

  /// Requests that wait for their answer or whose answer has not left, without those that wait
  /// only.
  size_t in_flight() const noexcept { return counted_; }

private:
  enum class state { hello, open, closed };
  enum class part { head, header, body, skip };

  /// One request between its head and the moment when its answer has left.
  struct request_state {
    bool counts = true;
    bool complete = false; ///< request_received tells of it
    bool answered = false; ///< the answer waits in output()
  };

  std::span<const std::byte> take_head(std::span<const std::byte> in);
  std::span<const std::byte> take_header(std::span<const std::byte> in);
  std::span<const std::byte> take_body(std::span<const std::byte> in);
  std::span<const std::byte> take_skip(std::span<const std::byte> in);

  void on_head();
  void on_hello_head();
  void on_cancel_head();
  void on_request_head();
  void on_header(std::string_view text);
  void on_hello(std::string_view text);
  void on_cancel(std::string_view text);
  void on_request_header(std::string_view text);
  void on_request_complete();

  bool take_header_memory(uint64_t needed);
  void refuse_incoming(const failure& why, uint64_t rest);
  void begin_skip(uint64_t bytes);
  void end_frame();
  void break_off(uint64_t id, failure why);

  request_state* waiting(uint64_t id);
  void forget(uint64_t id);
  void push_event(uint64_t id, std::string_view header);
  void tell_lost_events();

  std::shared_ptr<const server_config> config_;
  state state_ = state::hello;
  part part_ = part::head;
  std::string nonce_; ///< ours

  std::array<std::byte, head_size> head_bytes_{};
  size_t head_filled_ = 0;
  frame_head head_;

  std::string header_; ///< header that came in pieces
  byte_budget::share header_share_;
  std::optional<body_buffer> body_;
  uint64_t skip_ = 0;         ///< bytes of a refused frame that are still to come
  request_received incoming_; ///< the request that is arriving

  std::unordered_map<uint64_t, request_state> requests_;
  size_t counted_ = 0;
  size_t uncounted_ = 0;

  std::deque<connection_event> events_;
  output_queue output_;
  uint64_t event_bytes_ = 0; ///< of output_
  uint64_t lost_events_ = 0;
  uint64_t received_ = 0;
};

} // namespace luna::protocol
