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

#include "base/tensor_block.hpp"
#include "base/tensor_shape.hpp"
#include "messages/error.hpp"

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

/// Up to 512 KiB of somebody's memory.
struct chunk_bytes {
  std::span<const std::byte> view;
  std::shared_ptr<const void> owner; ///< keeps them alive
};

/// One piece of one tensor of a call between nodes. It is written to the wire straight from the
/// tensor, and read from it straight into its place in the receiver's (see tensor_landing), or else
/// into memory of its own; in both cases after the announced size has been checked.
struct tensor_chunk {
  uint64_t call = 0;    ///< the call's number at the node that opened it
  bool reply = false;   ///< false: an argument on its way there; true: a result on its way back
  uint64_t landing = 0; ///< the receiver's, of the grant that let it travel
  uint32_t tensor = 0;  ///< index into the announced shapes
  uint64_t offset = 0;  ///< of the first byte in the tensor
  chunk_bytes bytes;
};

caf::error inspect(caf::serializer& f, tensor_chunk& x);
caf::error inspect(caf::deserializer& f, tensor_chunk& x);
std::string to_string(const tensor_chunk& x);

/// Leave to send chunks, from who receives them.
struct chunk_grant {
  uint32_t chunks = 0;  ///< so many more
  uint64_t landing = 0; ///< that they shall name
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, chunk_grant& x) {
  return f(caf::meta::type_name("luna::chunk_grant"), x.chunks, x.landing);
}

} // namespace luna
