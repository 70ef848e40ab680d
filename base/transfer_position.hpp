#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace luna {

/// How far a transfer of several tensors is: in which tensor, at which byte. Tensors without bytes
/// are passed over.
class transfer_position {
public:
  /// At the end of nothing.
  transfer_position() = default;

  /// At the first byte of tensors of so many bytes each.
  explicit transfer_position(std::vector<uint64_t> sizes) : sizes_(std::move(sizes)) {
    pass_finished();
  }

  bool done() const noexcept { return tensor_ == sizes_.size(); }

  /// Index of the tensor. @pre here and below: not done
  uint32_t tensor() const noexcept { return static_cast<uint32_t>(tensor_); }

  /// Of the next byte in the tensor.
  uint64_t offset() const noexcept { return offset_; }

  /// Bytes of the tensor from here on; at least 1.
  uint64_t rest() const noexcept { return sizes_[tensor_] - offset_; }

  /// Whether a piece of `size` bytes at that place is one that may come next.
  bool expects(uint32_t tensor, uint64_t offset, uint64_t size) const noexcept {
    return !done() && tensor == tensor_ && offset == offset_ && size != 0 && size <= rest();
  }

  /// @pre `size <= rest()`
  void advance(uint64_t size) noexcept {
    offset_ += size;
    pass_finished();
  }

private:
  void pass_finished() noexcept {
    while (!done() && offset_ == sizes_[tensor_]) {
      ++tensor_;
      offset_ = 0;
    }
  }

  std::vector<uint64_t> sizes_;
  size_t tensor_ = 0;
  uint64_t offset_ = 0;
};

} // namespace luna
