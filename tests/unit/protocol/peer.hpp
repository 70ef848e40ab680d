#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "protocol/hello.hpp"
#include "protocol/server_connection.hpp"

namespace luna::protocol::test {

/// The client's side of a connection without a socket: frames as bytes, written by hand so that a
/// mistake of the code under test does not hide in the test.

inline void append_number(std::string& to, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i)
    to += static_cast<char>(value >> (8 * i));
}

/// The bytes of a head.
inline std::string head_bytes(uint8_t kind, uint64_t id, uint64_t header_bytes, uint64_t body_bytes,
                              uint8_t version = 1, uint16_t flags = 0, uint32_t reserved = 0) {
  std::string bytes = "LUNA";
  append_number(bytes, version, 1);
  append_number(bytes, kind, 1);
  append_number(bytes, flags, 2);
  append_number(bytes, id, 8);
  append_number(bytes, header_bytes, 4);
  append_number(bytes, reserved, 4);
  append_number(bytes, body_bytes, 8);
  return bytes;
}

inline std::string frame_bytes(frame_kind kind, uint64_t id, std::string_view header,
                               std::string_view body = {}) {
  return head_bytes(static_cast<uint8_t>(kind), id, header.size(), body.size())
       + std::string{header} + std::string{body};
}

inline std::string request_bytes(uint64_t id, std::string_view header = R"({"cmd":"ping"})",
                                 std::string_view body = {}) {
  return frame_bytes(frame_kind::request, id, header, body);
}

inline std::string
hello_bytes(std::string_view header = R"({"client":"test/1","protocol":1,)"
                                      R"("nonce":"00112233445566778899aabbccddeeff"})") {
  return frame_bytes(frame_kind::hello, 0, header);
}

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span{text.data(), text.size()});
}

/// A frame that the server sent.
struct sent_frame {
  frame_kind kind = frame_kind::hello;
  uint64_t id = 0;
  json header;
  std::string body;

  friend bool operator==(const sent_frame&, const sent_frame&) = default;
};

/// Everything that the server wants to send, as bytes. They have left then.
inline std::string drain(server_connection& server) {
  std::string bytes;
  while (!server.output().empty()) {
    auto next = server.output().next();
    bytes.append(reinterpret_cast<const char*>(next.data()), next.size());
    server.sent(next.size());
  }
  return bytes;
}

inline std::vector<sent_frame> split_frames(std::string_view bytes) {
  std::vector<sent_frame> frames;
  while (bytes.size() >= head_size) {
    auto head = decode(as_bytes(bytes).first<head_size>());
    bytes.remove_prefix(head_size);
    sent_frame frame;
    frame.kind = head.kind;
    frame.id = head.id;
    frame.header = json::parse(bytes.substr(0, head.header_bytes));
    frame.body = bytes.substr(head.header_bytes, head.body_bytes);
    bytes.remove_prefix(head.header_bytes + head.body_bytes);
    frames.push_back(std::move(frame));
  }
  return frames;
}

inline std::vector<sent_frame> drain_frames(server_connection& server) {
  return split_frames(drain(server));
}

inline std::vector<connection_event> drain_events(server_connection& server) {
  std::vector<connection_event> events;
  while (auto event = server.poll())
    events.push_back(std::move(*event));
  return events;
}

/// A connection and the budget of its node.
struct fixture {
  fixture() {
    config.node = "alpha";
    config.cluster = "studio";
    config.commands = {"ping"};
    config.buffers = budget;
  }

  /// A connection that has said nothing yet; its first hello is drained.
  server_connection& start() {
    server = std::make_unique<server_connection>(std::make_shared<server_config>(config));
    server->start();
    greeting = drain_frames(*server).at(0).header;
    return *server;
  }

  /// A connection whose hellos are done.
  server_connection& open() {
    start();
    feed(hello_bytes());
    drain_frames(*server);
    drain_events(*server);
    return *server;
  }

  void feed(std::string_view bytes) { server->feed(as_bytes(bytes)); }

  /// Feeds bytes and returns the events.
  std::vector<connection_event> events_of(std::string_view bytes) {
    feed(bytes);
    return drain_events(*server);
  }

  std::shared_ptr<byte_budget> budget = byte_budget::make(uint64_t{4} << 30);
  server_config config;
  std::unique_ptr<server_connection> server;
  json greeting;
};

/// The code of the one error frame that the server has sent, or what is there instead.
inline std::string error_code_in(const std::vector<sent_frame>& frames) {
  if (frames.size() != 1)
    return std::to_string(frames.size()) + " frames";
  if (frames[0].kind != frame_kind::error)
    return "a frame of the kind " + std::string{to_string(frames[0].kind)};
  return frames[0].header.value("code", "no code");
}

/// The code with which a connection closed, or what is there instead.
inline std::string closed_code(const std::vector<connection_event>& events) {
  if (events.empty())
    return "no event";
  auto* closed = std::get_if<connection_closed>(&events.back());
  return closed != nullptr ? std::string{to_string(closed->why.code)} : "another event";
}

} // namespace luna::protocol::test
