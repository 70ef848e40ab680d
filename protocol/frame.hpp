#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.hpp"

namespace luna::protocol {

/// The frames of the client wire format (docs/protocol.md, section 1).
///
/// The problem: both sides must agree on every byte, and a hostile length must be refused before
/// memory is taken for it. A frame is a head of 32 bytes, a JSON header and a body; everything
/// little-endian. These are plain values; safe on any thread.

/// The version of the frames and commands that this build speaks.
inline constexpr uint8_t protocol_version = 1;

inline constexpr size_t head_size = 32;

/// A hello header is never longer than this.
inline constexpr uint32_t max_hello_bytes = 64 << 10;

/// Headers up to this size are read where they arrive; longer ones cost too much for an I/O thread.
inline constexpr uint32_t small_header_bytes = 64 << 10;

/// What a frame is about.
enum class frame_kind : uint8_t {
  hello = 1,
  request = 2,
  reply = 3,
  error = 4,
  event = 5,
  cancel = 6,
};

/// "hello", "request", ...; "unknown" for numbers that mean nothing.
std::string_view to_string(frame_kind kind);

/// What the receiver of a frame accepts.
struct frame_limits {
  uint32_t header_bytes = 16 << 20;
  uint64_t body_bytes = uint64_t{1} << 30;
};

inline constexpr uint32_t magic_number = 0x414e554c; // "LUNA", little-endian

/// The first 32 bytes of a frame, as they stand there: see check().
struct frame_head {
  uint32_t magic = magic_number;
  uint8_t version = protocol_version;
  frame_kind kind = frame_kind::request;
  uint16_t flags = 0;
  uint64_t id = 0;
  uint32_t header_bytes = 0;
  uint32_t reserved = 0;
  uint64_t body_bytes = 0;

  friend bool operator==(const frame_head&, const frame_head&) = default;
};

/// The head's bytes.
std::array<std::byte, head_size> encode(const frame_head& head);

/// The head that these bytes say, right or wrong.
frame_head decode(std::span<const std::byte, head_size> bytes);

/// Whether a head may be acted on: `bad_frame` that names the field otherwise. Looks at magic,
/// version, kind, flags, reserved and both lengths.
result<void> check(const frame_head& head, const frame_limits& limits);

/// The id for the answer to a head that check() refused: 0 if the bytes are no frame of ours.
uint64_t answer_id(const frame_head& head);

} // namespace luna::protocol
