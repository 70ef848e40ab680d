#include "actors/transport/tensor_assembly.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace luna {

namespace {

constexpr std::chrono::milliseconds memory_retry{500};

} // namespace

chunk_cursor::chunk_cursor(std::vector<named_tensor> tensors) : tensors_(std::move(tensors)) {
  std::vector<uint64_t> sizes;
  sizes.reserve(tensors_.size());
  for (auto& x : tensors_)
    sizes.push_back(x.tensor.size_bytes());
  position_ = transfer_position{std::move(sizes)};
}

std::optional<tensor_chunk> chunk_cursor::next(uint64_t call, bool reply, uint64_t landing) {
  if (done())
    return std::nullopt;
  auto& block = tensors_[position_.tensor()].tensor;
  auto size = std::min<uint64_t>(max_chunk_bytes, position_.rest());
  tensor_chunk chunk;
  chunk.call = call;
  chunk.reply = reply;
  chunk.landing = landing;
  chunk.tensor = position_.tensor();
  chunk.offset = position_.offset();
  chunk.bytes = {block.bytes().subspan(chunk.offset, size), block.owner()};
  position_.advance(size);
  return chunk;
}

std::vector<tensor_shape> chunk_cursor::shapes() const {
  std::vector<tensor_shape> result;
  result.reserve(tensors_.size());
  for (auto& x : tensors_)
    result.push_back({x.name, x.tensor.type(), x.tensor.shape()});
  return result;
}

result<tensor_assembly> tensor_assembly::open(const std::vector<tensor_shape>& shapes,
                                              byte_budget& budget) {
  tensor_assembly assembly;
  std::vector<uint64_t> sizes;
  std::vector<tensor_landing::area> areas;
  for (auto& x : shapes) {
    auto count = element_count(x.shape);
    uint64_t size = 0;
    if (!count || __builtin_mul_overflow(*count, uint64_t{size_of(x.type)}, &size))
      return fail(ec::bad_request, "tensor '" + x.name + "' has an impossible shape");
    auto share = budget.try_take(size);
    std::unique_ptr<std::byte[]> bytes{share ? new (std::nothrow) std::byte[size] : nullptr};
    if (!bytes)
      return fail(ec::overloaded,
                  "no room for the " + std::to_string(size) + " bytes of tensor '" + x.name
                    + "' on this node (limits.buffers); try again",
                  memory_retry);
    auto data = std::make_shared<memory>(memory{std::move(bytes), std::move(*share)});
    areas.push_back({{data->bytes.get(), size}, data});
    sizes.push_back(size);
    assembly.parts_.push_back({x, size, std::move(data)});
  }
  assembly.position_ = transfer_position{std::move(sizes)};
  if (!assembly.complete())
    assembly.landing_ = tensor_landing::open(std::move(areas));
  return assembly;
}

result<void> tensor_assembly::add(const tensor_chunk& chunk) {
  auto bytes = chunk.bytes.view;
  if (!position_.expects(chunk.tensor, chunk.offset, bytes.size()))
    return fail(ec::internal, "a chunk of a tensor came out of order");
  auto* place = parts_[chunk.tensor].data->bytes.get() + chunk.offset;
  if (bytes.data() != place)
    std::memcpy(place, bytes.data(), bytes.size());
  position_.advance(bytes.size());
  return {};
}

std::vector<named_tensor> tensor_assembly::take() {
  std::vector<named_tensor> tensors;
  tensors.reserve(parts_.size());
  for (auto& x : parts_) {
    std::span<const std::byte> view{x.data->bytes.get(), x.size};
    tensors.push_back({std::move(x.shape.name), tensor_block{x.shape.type, std::move(x.shape.shape),
                                                             view, std::move(x.data)}});
  }
  *this = {};
  return tensors;
}

} // namespace luna
