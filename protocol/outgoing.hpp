#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <sys/uio.h>
#include <vector>

#include "base/byte_budget.hpp"
#include "base/result.hpp"
#include "base/tensor_block.hpp"
#include "protocol/frame.hpp"

namespace luna::protocol {

/// One frame on its way out.
///
/// The problem: a picture of 12 MB must leave without being copied into a frame first. So a frame
/// is one small string (head, JSON header, head of the safetensors body) and then the tensors'
/// bytes where they are. Immutable once built; may move between threads.
struct outgoing_frame {
  frame_kind kind = frame_kind::reply;
  uint64_t id = 0;

  std::string front;                 ///< head, header and the safetensors head
  std::vector<tensor_block> tensors; ///< their bytes follow in this order
  uint64_t size = 0;                 ///< bytes in all

  /// Memory of the tensors, held until they have left.
  byte_budget::share share;
};

/// A reply. @param header a JSON object as text. No tensors: no body.
/// @returns `bad_request` with the sizes, also in details (`body_bytes`, `max_body_bytes`), if the
/// limits do not allow it; the caller may say how many images would fit.
result<outgoing_frame> reply_frame(uint64_t id, std::string_view header,
                                   std::span<const named_tensor> tensors,
                                   const frame_limits& limits = {});

/// A request, for clients; refused as a reply is.
result<outgoing_frame> request_frame(uint64_t id, std::string_view header,
                                     std::span<const named_tensor> tensors,
                                     const frame_limits& limits = {});

/// An error frame; id 0 speaks of the connection.
outgoing_frame error_frame(uint64_t id, const failure& why);

/// A frame with a header alone: hello, event, cancel, or a reply without tensors.
outgoing_frame header_frame(frame_kind kind, uint64_t id, std::string_view header);

/// The header of an error frame (docs/protocol.md, section 3). A retryable failure without a hint
/// gets one of 500 ms.
std::string error_header(const failure& why);

/// The failure that an error frame tells; `internal` if the header makes no sense.
failure read_error_header(std::string_view header);

/// Frames that wait for a socket, as one stream of bytes.
///
/// Contract: bytes leave in the order of push(); consume() is told how many have left and says
/// which frames are gone with that. Not thread-safe.
class output_queue {
public:
  void push(outgoing_frame frame);

  bool empty() const noexcept { return frames_.empty(); }

  /// Bytes that have not left.
  uint64_t size_bytes() const noexcept { return size_; }

  /// Those of them that are errors and events: what no bound on requests holds back.
  uint64_t notice_bytes() const noexcept { return notices_; }

  /// Bytes that have left since the beginning: a counter to see progress by.
  uint64_t sent_bytes() const noexcept { return sent_; }

  /// The next contiguous bytes; empty if there are none. Valid until the next consume().
  std::span<const std::byte> next() const noexcept;

  /// Fills `pieces` for one writev(). @returns how many were filled.
  size_t gather(std::span<iovec> pieces) const noexcept;

  /// Takes `n` bytes off, and calls `left(frame)` for each frame whose last byte is among them.
  /// @pre n <= size_bytes().
  template <class F>
  void consume(uint64_t n, F&& left) {
    size_ -= n;
    sent_ += n;
    while (!frames_.empty() && n >= frames_.front().size - offset_) {
      n -= frames_.front().size - offset_;
      offset_ = 0;
      auto frame = pop();
      left(frame);
    }
    offset_ += n;
  }

private:
  outgoing_frame pop();

  std::deque<outgoing_frame> frames_;
  uint64_t offset_ = 0; ///< bytes of the first frame that have left
  uint64_t size_ = 0;
  uint64_t notices_ = 0;
  uint64_t sent_ = 0;
};

} // namespace luna::protocol
