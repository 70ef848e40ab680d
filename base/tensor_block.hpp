#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace luna {

/// Element types, with the numbers that travel between nodes (append only) and safetensors' names.
enum class dtype : uint8_t {
  f32,
  f16,
  bf16,
  u8,
  i32,
  i64,
  f64,
  i8,
  i16,
  u16,
  u32,
  u64,
  boolean,
  f8_e4m3,
  f8_e5m2
};

/// Bytes of one element.
size_t size_of(dtype type);

/// safetensors' name, for instance "F32".
std::string_view safetensors_name(dtype type);

/// The type of a safetensors name ("F32", "BF16", ...); nothing if unknown.
std::optional<dtype> dtype_of_safetensors(std::string_view name);

/// The name used in request fields: "f32", "f16", "bf16", "u8", ...
std::string_view to_string(dtype type);

/// The type of a request field's name; nothing if unknown.
std::optional<dtype> dtype_of(std::string_view name);

/// A tensor's bytes on their way through the server.
///
/// The problem: a picture of 12 MB passes a connection, a pool, a worker and a connection again,
/// and must not be copied at each of them. A tensor_block is an immutable, reference-counted view
/// of contiguous, row-major bytes: copies are free, and the memory belongs to whatever object
/// `owner` keeps alive, be it a libtorch storage, a pooled buffer or a mapped file.
///
/// Thread rule: as `std::shared_ptr<const T>`: copies may be used on any thread at the same time.
/// It crosses node borders only as tensor_chunk messages (messages/tensor_chunk.hpp).
class tensor_block {
public:
  /// An empty f32 tensor of shape [0].
  tensor_block() = default;

  /// A view of bytes that `owner` keeps alive.
  /// @pre `bytes.size()` is the product of `shape` times `size_of(type)`; checked,
  /// `std::logic_error`.
  tensor_block(dtype type, std::vector<int64_t> shape, std::span<const std::byte> bytes,
               std::shared_ptr<const void> owner);

  /// A block that owns a copy of `bytes`. @pre as above.
  static tensor_block copy_of(dtype type, std::vector<int64_t> shape,
                              std::span<const std::byte> bytes);

  dtype type() const noexcept { return type_; }
  const std::vector<int64_t>& shape() const noexcept { return shape_; }
  int64_t dim(size_t axis) const { return shape_.at(axis); }
  size_t rank() const noexcept { return shape_.size(); }
  std::span<const std::byte> bytes() const noexcept { return bytes_; }
  size_t size_bytes() const noexcept { return bytes_.size(); }
  const std::shared_ptr<const void>& owner() const noexcept { return owner_; }

  /// The elements as T. @pre `sizeof(T) == size_of(type())`, the data is aligned for T.
  template <class T>
  std::span<const T> as() const noexcept {
    return {reinterpret_cast<const T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }

  /// Another view of the same bytes with another shape of as many elements.
  tensor_block reshaped(std::vector<int64_t> shape) const;

private:
  dtype type_ = dtype::f32;
  std::vector<int64_t> shape_{0};
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
};

/// Number of elements of a shape; nothing if a dimension is negative or the product overflows.
std::optional<uint64_t> element_count(std::span<const int64_t> shape);

/// "[1, 3, 64, 64]"
std::string format_shape(std::span<const int64_t> shape);

/// A tensor under the name that it has in a body.
struct named_tensor {
  std::string name;
  tensor_block tensor;
};

/// The tensor of that name, or nullptr.
const tensor_block* find_tensor(std::span<const named_tensor> tensors, std::string_view name);

/// Sum of the tensors' bytes.
uint64_t total_bytes(std::span<const named_tensor> tensors);

} // namespace luna
