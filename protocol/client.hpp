#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_block.hpp"
#include "protocol/body.hpp"
#include "protocol/frame.hpp"
#include "protocol/header_json.hpp"
#include "protocol/hello.hpp"
#include "protocol/outgoing.hpp"
#include "protocol/stream_socket.hpp"

namespace luna::protocol {

/// How to reach a gateway.
struct client_options {
  std::string host = "127.0.0.1";
  uint16_t port = 19283;
  std::string name = "luna-cpp/0.1.0";
  std::optional<std::string> secret;
  std::chrono::milliseconds connect_timeout{5000};   ///< until the hello is done
  std::chrono::milliseconds progress_timeout{30000}; ///< for a write, or within a frame
  frame_limits limits; ///< what we accept; requests are held to the server's limits, too
};

/// A frame that came from the server.
struct incoming_frame {
  frame_kind kind = frame_kind::reply;
  uint64_t id = 0;
  std::string header; ///< JSON text
  received_body body;

  /// The header as JSON. `internal` if the server sent something else.
  result<json> fields() const;

  /// The tensors of the body.
  result<std::vector<named_tensor>> tensors() const { return read_body(body); }
};

/// The answer to a request.
struct client_reply {
  json fields;
  std::vector<named_tensor> tensors;

  /// The tensor of that name, or nullptr.
  const tensor_block* find(std::string_view name) const { return find_tensor(tensors, name); }
};

/// A blocking client for tests, tools and benchmarks.
///
/// The problem: tests must be able to do what real clients do (many requests in flight, events,
/// cancel, large tensors at full speed) and what hostile ones do (any bytes). Contract: calls block
/// until their timeout and then fail with `timeout`; a connection that ended is `unavailable`; the
/// server's error frames are failures with their code. Requests in flight are told apart by id, and
/// frames that belong to another id than the one waited for are kept. One thread at a time; several
/// clients in several threads are fine.
class client {
public:
  using clock = std::chrono::steady_clock;

  /// Connects and says hello.
  static result<client> connect(const client_options& options);

  /// Connects and reads and says nothing: for tests of what happens before hello.
  static result<client> connect_raw(const client_options& options);

  /// What the server said of itself; empty on a raw connection.
  const server_welcome& welcome() const noexcept { return welcome_; }
  const server_greeting& greeting() const noexcept { return greeting_; }

  // -- one call ---

  /// Sends a request and waits for its answer. Events of the request go to `on_event` meanwhile.
  result<client_reply> call(const json& request, std::span<const named_tensor> tensors = {},
                            std::chrono::milliseconds timeout = std::chrono::seconds{30},
                            const std::function<void(const json&)>& on_event = {});

  // -- many in flight ---

  /// Sends a request. @returns its id.
  result<uint64_t> send(const json& request, std::span<const named_tensor> tensors = {});

  /// The same with the header as text, as it stands.
  result<uint64_t> send_text(std::string_view header, std::span<const named_tensor> tensors = {});

  /// Waits for the answer of a request.
  result<client_reply> wait(uint64_t id,
                            std::chrono::milliseconds timeout = std::chrono::seconds{30},
                            const std::function<void(const json&)>& on_event = {});

  /// Asks the server to drop a request; its answer still comes.
  result<void> cancel(uint64_t id);

  /// The next frame of any kind and id, kept ones first.
  result<incoming_frame> receive(std::chrono::milliseconds timeout = std::chrono::seconds{30});

  /// The next event frame of the connection (id 0).
  result<json> next_event(std::chrono::milliseconds timeout = std::chrono::seconds{30});

  // -- for tests ---

  /// Sends bytes as they are.
  result<void> send_bytes(std::span<const std::byte> bytes);
  result<void> send_bytes(std::string_view bytes);

  /// Whether the server closes the connection within the time, frames in between left out.
  bool ends(std::chrono::milliseconds timeout = std::chrono::seconds{10});

  /// Says that nothing more will be sent.
  void shut_down_writing() { socket_.shut_down_writing(); }

  /// Closes the connection, with a reset if `hard`.
  void close(bool hard = false) { socket_.close(hard); }

  int descriptor() const noexcept { return socket_.descriptor(); }

private:
  client() = default;

  result<void> open(const client_options& options);
  result<void> say_hello(const client_options& options);
  result<json> read_hello(clock::time_point deadline);
  result<void> write(const outgoing_frame& frame);
  result<void> read_exactly(std::span<std::byte> to, clock::time_point deadline);
  result<void> buffer_head(clock::time_point deadline);
  result<incoming_frame> read_frame(clock::time_point deadline);
  result<client_reply> to_reply(const incoming_frame& frame);

  stream_socket socket_;
  std::chrono::milliseconds progress_timeout_{};
  frame_limits limits_;
  frame_limits server_limits_;
  server_greeting greeting_;
  server_welcome welcome_;
  uint64_t last_id_ = 0;
  std::deque<incoming_frame> kept_;

  std::vector<std::byte> buffer_; ///< received, not looked at: [begin_, end_)
  size_t begin_ = 0;
  size_t end_ = 0;
};

} // namespace luna::protocol
