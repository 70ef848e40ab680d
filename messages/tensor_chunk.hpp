#pragma once

#include <caf/deserializer.hpp>
#include <caf/meta/load_callback.hpp>
#include <caf/meta/save_callback.hpp>
#include <caf/meta/type_name.hpp>
#include <caf/serializer.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "messages/error.hpp"
#include "messages/tensor_block.hpp"

namespace luna {

/// Largest piece of a tensor in one message. Bigger messages stall the heartbeats of slow links.
inline constexpr size_t max_chunk_bytes = size_t{512} << 10;

/// A whole block never travels in a message: serialising it is an error that says so.
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, tensor_block&) {
  auto refuse = []() -> caf::error {
    return make_error(ec::internal,
                      "a tensor_block travels between nodes only as tensor_chunk messages");
  };
  return f(caf::meta::type_name("luna::tensor_block"), caf::meta::save_callback(refuse),
           caf::meta::load_callback(refuse));
}

/// Up to 512 KiB of somebody's memory: written to the wire straight from the tensor, read from it
/// into memory of its own once the announced size has been checked.
class chunk_bytes {
public:
  chunk_bytes() = default;

  /// A view of `bytes` that `owner` keeps alive. @pre `bytes.size() <= max_chunk_bytes`
  chunk_bytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner)
    : bytes_(bytes), owner_(std::move(owner)) {}

  std::span<const std::byte> bytes() const noexcept { return bytes_; }

  friend caf::error inspect(caf::serializer& f, chunk_bytes& x) {
    auto size = static_cast<uint32_t>(x.bytes_.size());
    if (x.bytes_.size() > max_chunk_bytes)
      return make_error(ec::internal, "a tensor_chunk of more than 512 KiB");
    if (auto err = f(size))
      return err;
    return size == 0 ? caf::error{} : f.apply_raw(size, const_cast<std::byte*>(x.bytes_.data()));
  }

  friend caf::error inspect(caf::deserializer& f, chunk_bytes& x) {
    uint32_t size = 0;
    if (auto err = f(size))
      return err;
    if (size > max_chunk_bytes)
      return make_error(ec::internal, "a tensor_chunk that announces more than 512 KiB");
    std::shared_ptr<std::byte[]> memory{new std::byte[size]};
    x.bytes_ = {memory.get(), size};
    x.owner_ = memory;
    return size == 0 ? caf::error{} : f.apply_raw(size, memory.get());
  }

  friend std::string to_string(const chunk_bytes& x) {
    return "<" + std::to_string(x.bytes_.size()) + " bytes>";
  }

private:
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
};

/// What a tensor that will arrive in chunks looks like.
struct tensor_shape {
  std::string name;
  dtype type = dtype::f32;
  std::vector<int64_t> shape;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, tensor_shape& x) {
  return f(caf::meta::type_name("luna::tensor_shape"), x.name, x.type, x.shape);
}

/// One piece of one tensor of a call between nodes.
struct tensor_chunk {
  uint64_t call = 0;   ///< the call's number at the node that opened it
  bool reply = false;  ///< false: an argument on its way there; true: a result on its way back
  uint32_t tensor = 0; ///< index into the announced shapes
  uint64_t offset = 0; ///< of the first byte in the tensor
  chunk_bytes bytes;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, tensor_chunk& x) {
  return f(caf::meta::type_name("luna::tensor_chunk"), x.call, x.reply, x.tensor, x.offset,
           x.bytes);
}

} // namespace luna
