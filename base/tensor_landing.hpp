#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace luna {

/// Memory of this process that a transfer from another node fills, under a number by which chunks
/// name it.
///
/// The problem: a chunk is read from a connection by CAF, which knows nothing of the call that the
/// chunk belongs to. Reading it into memory of its own and putting it into its place afterwards
/// moves every byte of a picture twice. So who receives opens a landing and tells its number with
/// the leave to send; the chunk carries the number, and is read straight into its place.
///
/// Contract: a place is given out once, and in the order in which the bytes are sent, so nothing is
/// written twice; a number is never used again in a process. A chunk that names no landing (or one
/// that was closed) has no place here and is read into memory of its own.
/// Thread rule: `claim` may be called from any thread; a landing itself belongs to one.
class tensor_landing {
public:
  struct area {
    std::span<std::byte> bytes;
    std::shared_ptr<void> owner; ///< keeps the bytes alive, also after the landing is closed
  };

  /// None: its number is 0.
  tensor_landing() = default;

  /// One for tensors in this order.
  static tensor_landing open(std::vector<area> areas);

  tensor_landing(tensor_landing&& other) noexcept : number_(std::exchange(other.number_, 0)) {}
  tensor_landing& operator=(tensor_landing&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~tensor_landing();

  uint64_t number() const noexcept { return number_; }

  /// The place of a piece, if the landing of that number is open and expects it next, else null.
  /// Who gets a place must fill it.
  static std::shared_ptr<std::byte> claim(uint64_t number, uint32_t tensor, uint64_t offset,
                                          size_t size);

private:
  uint64_t number_ = 0;
};

} // namespace luna
