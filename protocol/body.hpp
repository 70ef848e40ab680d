#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/byte_budget.hpp"
#include "base/result.hpp"
#include "base/tensor_block.hpp"

namespace luna::protocol {

/// A body as it was received: contiguous bytes that `owner` keeps alive. Immutable, free to copy
/// and to pass between threads; the memory and its share of the budget are given back with the last
/// reference, also of a tensor that was read out of it.
struct received_body {
  std::shared_ptr<const void> owner;
  std::span<const std::byte> bytes;
};

/// A body while it arrives.
///
/// The problem: a head announces up to 1 GiB and the sender may never send it. So memory and budget
/// are taken as the bytes come, the budget at most `step` ahead of them, and still the bytes end up
/// contiguous without being moved: a body gets a range of addresses first, pages when they are
/// written.
/// Not thread-safe.
class body_buffer {
public:
  static constexpr uint64_t step = 256 << 10;

  /// @param size bytes announced, > 0.
  /// @returns `overloaded` if there are no addresses left.
  static result<body_buffer> make(uint64_t size, const std::shared_ptr<byte_budget>& budget);

  body_buffer(body_buffer&&) noexcept;
  body_buffer& operator=(body_buffer&&) noexcept;
  ~body_buffer();

  uint64_t size() const noexcept { return size_; }
  uint64_t filled() const noexcept { return filled_; }
  bool complete() const noexcept { return filled_ == size_; }

  /// Appends bytes. @pre they fit. @returns false, and nothing changed, if the budget is exhausted.
  bool append(std::span<const std::byte> bytes);

  /// The whole body. @pre complete().
  received_body finish() &&;

private:
  struct memory;
  body_buffer();

  std::unique_ptr<memory> memory_;
  uint64_t size_ = 0;
  uint64_t filled_ = 0;
};

/// Why a body or a reply was not taken: the budget is exhausted.
failure out_of_buffers();

/// The tensors of a body, sharing its memory; none for an empty body.
/// @returns `bad_request` with what is wrong with the safetensors buffer.
result<std::vector<named_tensor>> read_body(const received_body& body);

/// The tensor of that name. @returns `bad_request` naming it and what the body holds.
result<tensor_block> require_tensor(std::span<const named_tensor> tensors, std::string_view name);

} // namespace luna::protocol
