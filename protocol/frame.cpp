#include "protocol/frame.hpp"

#include <bit>
#include <cstring>
#include <string>

namespace luna::protocol {

namespace {

template <class T>
void put(std::byte* to, T value) {
  for (size_t i = 0; i < sizeof(T); ++i)
    to[i] = static_cast<std::byte>(value >> (8 * i));
}

template <class T>
T get(const std::byte* from) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    value |= static_cast<T>(static_cast<T>(std::to_integer<uint8_t>(from[i])) << (8 * i));
  return value;
}

auto bad(std::string message) {
  return fail(ec::bad_frame, std::move(message));
}

} // namespace

std::string_view to_string(frame_kind kind) {
  switch (kind) {
  case frame_kind::hello:
    return "hello";
  case frame_kind::request:
    return "request";
  case frame_kind::reply:
    return "reply";
  case frame_kind::error:
    return "error";
  case frame_kind::event:
    return "event";
  case frame_kind::cancel:
    return "cancel";
  }
  return "unknown";
}

std::array<std::byte, head_size> encode(const frame_head& head) {
  std::array<std::byte, head_size> bytes{};
  put(&bytes[0], head.magic);
  put(&bytes[4], head.version);
  put(&bytes[5], static_cast<uint8_t>(head.kind));
  put(&bytes[6], head.flags);
  put(&bytes[8], head.id);
  put(&bytes[16], head.header_bytes);
  put(&bytes[20], head.reserved);
  put(&bytes[24], head.body_bytes);
  return bytes;
}

frame_head decode(std::span<const std::byte, head_size> bytes) {
  auto* at = bytes.data();
  frame_head head;
  head.magic = get<uint32_t>(at);
  head.version = get<uint8_t>(at + 4);
  head.kind = static_cast<frame_kind>(get<uint8_t>(at + 5));
  head.flags = get<uint16_t>(at + 6);
  head.id = get<uint64_t>(at + 8);
  head.header_bytes = get<uint32_t>(at + 16);
  head.reserved = get<uint32_t>(at + 20);
  head.body_bytes = get<uint64_t>(at + 24);
  return head;
}

result<void> check(const frame_head& head, const frame_limits& limits) {
  if (head.magic != magic_number)
    return bad("these bytes do not begin with 'LUNA': this port speaks luna's frames, not HTTP or "
               "another protocol");
  if (head.version != protocol_version)
    return bad("frame version " + std::to_string(head.version) + " is unknown here: use "
               + std::to_string(protocol_version));
  auto kind = static_cast<uint8_t>(head.kind);
  if (kind < static_cast<uint8_t>(frame_kind::hello)
      || kind > static_cast<uint8_t>(frame_kind::cancel))
    return bad("frame kind " + std::to_string(kind) + " is unknown: it is 1 to 6");
  if (head.flags != 0)
    return bad("frame flags " + std::to_string(head.flags) + " are unknown: they must be 0");
  if (head.reserved != 0)
    return bad("the reserved field of the frame must be 0, it is " + std::to_string(head.reserved));
  if (head.header_bytes > limits.header_bytes)
    return bad("a header of " + std::to_string(head.header_bytes) + " bytes is over the limit of "
               + std::to_string(limits.header_bytes));
  if (head.body_bytes > limits.body_bytes)
    return bad("a body of " + std::to_string(head.body_bytes) + " bytes is over the limit of "
               + std::to_string(limits.body_bytes) + ": send fewer images at once");
  return {};
}

uint64_t answer_id(const frame_head& head) {
  return head.magic == magic_number ? head.id : 0;
}

} // namespace luna::protocol
