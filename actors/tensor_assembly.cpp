#include "actors/tensor_assembly.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace luna {

namespace {

constexpr std::chrono::milliseconds memory_retry{500};

} // namespace

chunk_cursor::chunk_cursor(std::vector<named_tensor> tensors) : tensors_(std::move(tensors)) {
  skip_finished();
}

void chunk_cursor::skip_finished() {
  while (tensor_ < tensors_.size() && offset_ == tensors_[tensor_].tensor.size_bytes()) {
    ++tensor_;
    offset_ = 0;
  }
}

std::optional<tensor_chunk> chunk_cursor::next(uint64_t call, bool reply) {
  if (done())
    return std::nullopt;
  auto& block = tensors_[tensor_].tensor;
  auto size = std::min<uint64_t>(max_chunk_bytes, block.size_bytes() - offset_);
  tensor_chunk chunk;
  chunk.call = call;
  chunk.reply = reply;
  chunk.tensor = static_cast<uint32_t>(tensor_);
  chunk.offset = offset_;
  chunk.bytes = chunk_bytes{block.bytes().subspan(offset_, size), block.owner()};
  offset_ += size;
  skip_finished();
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
    assembly.parts_.push_back(
      {x, size, std::make_shared<memory>(memory{std::move(bytes), std::move(*share)})});
  }
  assembly.skip_finished();
  return assembly;
}

void tensor_assembly::skip_finished() {
  while (tensor_ < parts_.size() && offset_ == parts_[tensor_].size) {
    ++tensor_;
    offset_ = 0;
  }
}

result<void> tensor_assembly::add(const tensor_chunk& chunk) {
  auto bytes = chunk.bytes.bytes();
  if (complete() || chunk.tensor != tensor_ || chunk.offset != offset_ || bytes.empty()
      || bytes.size() > parts_[tensor_].size - offset_)
    return fail(ec::internal, "a chunk of a tensor came out of order");
  std::memcpy(parts_[tensor_].data->bytes.get() + offset_, bytes.data(), bytes.size());
  offset_ += bytes.size();
  skip_finished();
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
