#include "messages/tensor_chunk.hpp"

#include "base/tensor_landing.hpp"

namespace luna {

caf::error inspect(caf::serializer& f, tensor_chunk& x) {
  auto size = static_cast<uint32_t>(x.bytes.view.size());
  if (x.bytes.view.size() > max_chunk_bytes)
    return make_error(ec::internal, "a tensor_chunk of more than 512 KiB");
  if (auto err = f(x.call, x.reply, x.landing, x.tensor, x.offset, size))
    return err;
  return size == 0 ? caf::error{} : f.apply_raw(size, const_cast<std::byte*>(x.bytes.view.data()));
}

caf::error inspect(caf::deserializer& f, tensor_chunk& x) {
  uint32_t size = 0;
  if (auto err = f(x.call, x.reply, x.landing, x.tensor, x.offset, size))
    return err;
  if (size > max_chunk_bytes)
    return make_error(ec::internal, "a tensor_chunk that announces more than 512 KiB");
  x.bytes = {};
  if (size == 0)
    return {};
  auto memory = tensor_landing::claim(x.landing, x.tensor, x.offset, size);
  if (!memory)
    memory = {new std::byte[size], std::default_delete<std::byte[]>{}};
  if (auto err = f.apply_raw(size, memory.get()))
    return err;
  x.bytes = {{memory.get(), size}, std::move(memory)};
  return {};
}

std::string to_string(const tensor_chunk& x) {
  return "luna::tensor_chunk(" + std::to_string(x.call) + (x.reply ? ", reply, " : ", argument, ")
       + std::to_string(x.tensor) + ", " + std::to_string(x.offset) + ", <"
       + std::to_string(x.bytes.view.size()) + " bytes>)";
}

} // namespace luna
