#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/byte_budget.hpp"
#include "base/result.hpp"
#include "base/tensor_block.hpp"
#include "base/tensor_landing.hpp"
#include "base/transfer_position.hpp"
#include "messages/tensor_chunk.hpp"

namespace luna {

/// Cuts tensors into chunks, in order: the sending side of a transfer between nodes.
class chunk_cursor {
public:
  chunk_cursor() = default;
  explicit chunk_cursor(std::vector<named_tensor> tensors);

  /// The next piece, at most max_chunk_bytes; nothing after the last. Tensors without bytes have
  /// none.
  /// @param landing the receiver's, see chunk_grant.
  std::optional<tensor_chunk> next(uint64_t call, bool reply, uint64_t landing);

  bool done() const noexcept { return position_.done(); }

  /// What the receiver must know before the first chunk.
  std::vector<tensor_shape> shapes() const;

private:
  std::vector<named_tensor> tensors_;
  transfer_position position_;
};

/// Puts chunks together again: the receiving side.
///
/// Contract: the memory is taken from the budget before it is allocated, and goes back when the
/// tensors (or a transfer that was given up) are destroyed. Chunks come in the order in which
/// chunk_cursor sends them; anything else is an error.
class tensor_assembly {
public:
  /// An assembly of nothing: complete from the start.
  tensor_assembly() = default;

  /// Makes room for tensors of these shapes.
  /// @returns `overloaded` if the budget has not that much left, `bad_request` for impossible
  /// shapes.
  static result<tensor_assembly> open(const std::vector<tensor_shape>& shapes, byte_budget& budget);

  /// The number under which chunks of another node are read straight into their places.
  uint64_t landing() const noexcept { return landing_.number(); }

  /// Takes a chunk, and copies it to its place unless it landed there. @returns `internal` if it
  /// does not belong there.
  result<void> add(const tensor_chunk& chunk);

  bool complete() const noexcept { return position_.done(); }

  /// The tensors. @pre `complete()`
  std::vector<named_tensor> take();

private:
  struct memory {
    std::unique_ptr<std::byte[]> bytes;
    byte_budget::share share;
  };

  struct part {
    tensor_shape shape;
    uint64_t size = 0;
    std::shared_ptr<memory> data;
  };

  std::vector<part> parts_;
  transfer_position position_;
  tensor_landing landing_;
};

} // namespace luna
