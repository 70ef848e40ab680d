#include "models/weights/weight_memory.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <atomic>
#include <new>
#include <string>
#include <sys/mman.h>
#include <vector>

#include "models/weights/tensors.hpp"

namespace luna::models {

namespace {

constexpr uint64_t alignment = 64; ///< what vector loads of every CPU like
constexpr uint64_t piece_bytes = uint64_t{4} << 20;

std::atomic<uint64_t> live{0};

uint64_t rounded(uint64_t bytes) {
  return (bytes + alignment - 1) / alignment * alignment;
}

} // namespace

weight_memory::weight_memory(at::Device device, uint64_t capacity) : device_(device) {
  if (!device.is_cpu())
    return;
  // Each tensor may waste up to one alignment.
  capacity_ = rounded(capacity) + (uint64_t{1} << 20);
  auto* mapped = ::mmap(nullptr, capacity_, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED)
    throw std::bad_alloc{};
  base_ = static_cast<std::byte*>(mapped);
}

weight_memory::~weight_memory() {
  if (base_ == nullptr)
    return;
  ::munmap(base_, capacity_);
  live.fetch_sub(bytes_, std::memory_order_relaxed);
}

at::Tensor weight_memory::take(at::IntArrayRef sizes, at::ScalarType type) {
  auto options = at::TensorOptions{}.dtype(type).device(device_);
  auto elements = static_cast<uint64_t>(c10::multiply_integers(sizes));
  auto bytes = elements * c10::elementSize(type);
  if (base_ == nullptr) {
    bytes_ += bytes;
    return at::empty(sizes, options);
  }
  TORCH_CHECK(used_ + rounded(bytes) <= capacity_, "a model took more weights than it announced");
  auto tensor = at::from_blob(base_ + used_, sizes, options);
  used_ += rounded(bytes);
  count(bytes);
  return tensor;
}

void weight_memory::count(uint64_t bytes) {
  bytes_ += bytes;
  if (device_.is_cpu())
    live.fetch_add(bytes, std::memory_order_relaxed);
}

uint64_t weight_memory::live_bytes() noexcept {
  return live.load(std::memory_order_relaxed);
}

result<void> weight_reader::read(std::string_view name, const at::Tensor& target) {
  auto* entry = file_->find(name);
  auto elements = static_cast<uint64_t>(target.numel());
  TORCH_CHECK(entry != nullptr && element_count(entry->shape) == elements,
              "no such weight: ", std::string{name});
  auto size = size_of(entry->type);
  auto piece = std::min(elements, piece_bytes / size);
  std::vector<std::byte> bytes(piece * size);
  auto flat = target.view({-1});
  auto type = scalar_type_of(entry->type);
  for (uint64_t at = 0; at < elements; at += piece) {
    if (context_.stopped())
      return cancelled();
    auto count = std::min(piece, elements - at);
    if (auto ok = file_->read(name, at * size, std::span{bytes}.first(count * size)); !ok)
      return ok;
    auto values =
      at::from_blob(bytes.data(), {static_cast<int64_t>(count)}, at::TensorOptions{}.dtype(type));
    if (round_ && type != at::kHalf)
      values = values.to(at::kHalf);
    flat.narrow(0, static_cast<int64_t>(at), static_cast<int64_t>(count)).copy_(values);
  }
  done_ += target.nbytes();
  context_.report("load", std::min(done_, total_), total_);
  return {};
}

result<at::Tensor> weight_reader::load(std::string_view name, weight_memory& memory,
                                       at::ScalarType type) {
  auto* entry = file_->find(name);
  TORCH_CHECK(entry != nullptr, "no such weight: ", std::string{name});
  auto tensor = memory.take(entry->shape, type);
  if (auto ok = read(name, tensor); !ok)
    return fail(ok);
  return tensor;
}

} // namespace luna::models
