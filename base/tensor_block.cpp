#include "base/tensor_block.hpp"

#include <array>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace luna {

namespace {

struct dtype_facts {
  dtype type;
  size_t bytes;
  std::string_view safetensors;
  std::string_view field;
};

constexpr std::array<dtype_facts, 15> facts{{
  {dtype::f32, 4, "F32", "f32"},
  {dtype::f16, 2, "F16", "f16"},
  {dtype::bf16, 2, "BF16", "bf16"},
  {dtype::u8, 1, "U8", "u8"},
  {dtype::i32, 4, "I32", "i32"},
  {dtype::i64, 8, "I64", "i64"},
  {dtype::f64, 8, "F64", "f64"},
  {dtype::i8, 1, "I8", "i8"},
  {dtype::i16, 2, "I16", "i16"},
  {dtype::u16, 2, "U16", "u16"},
  {dtype::u32, 4, "U32", "u32"},
  {dtype::u64, 8, "U64", "u64"},
  {dtype::boolean, 1, "BOOL", "bool"},
  {dtype::f8_e4m3, 1, "F8_E4M3", "f8_e4m3"},
  {dtype::f8_e5m2, 1, "F8_E5M2", "f8_e5m2"},
}};

constexpr const dtype_facts& facts_of(dtype type) {
  return facts.at(static_cast<size_t>(type));
}

} // namespace

size_t size_of(dtype type) {
  return facts_of(type).bytes;
}

std::string_view safetensors_name(dtype type) {
  return facts_of(type).safetensors;
}

std::string_view to_string(dtype type) {
  return facts_of(type).field;
}

std::optional<dtype> dtype_of_safetensors(std::string_view name) {
  for (auto& x : facts)
    if (x.safetensors == name)
      return x.type;
  return std::nullopt;
}

std::optional<dtype> dtype_of(std::string_view name) {
  for (auto& x : facts)
    if (x.field == name)
      return x.type;
  return std::nullopt;
}

std::optional<uint64_t> element_count(std::span<const int64_t> shape) {
  uint64_t count = 1;
  for (auto n : shape)
    if (n < 0 || __builtin_mul_overflow(count, static_cast<uint64_t>(n), &count))
      return std::nullopt;
  return count;
}

std::string format_shape(std::span<const int64_t> shape) {
  std::string text = "[";
  for (auto n : shape) {
    if (text.size() > 1)
      text += ", ";
    text += std::to_string(n);
  }
  return text += ']';
}

tensor_block::tensor_block(dtype type, std::vector<int64_t> shape, std::span<const std::byte> bytes,
                           std::shared_ptr<const void> owner)
  : type_(type), shape_(std::move(shape)), bytes_(bytes), owner_(std::move(owner)) {
  auto count = element_count(shape_);
  if (!count || *count > SIZE_MAX / size_of(type_) || *count * size_of(type_) != bytes_.size())
    throw std::logic_error("a tensor_block of shape " + format_shape(shape_) + " and type "
                           + std::string{to_string(type_)} + " cannot have "
                           + std::to_string(bytes_.size()) + " bytes");
}

tensor_block tensor_block::copy_of(dtype type, std::vector<int64_t> shape,
                                   std::span<const std::byte> bytes) {
  std::shared_ptr<std::byte[]> memory{new std::byte[bytes.size()]};
  if (!bytes.empty())
    std::memcpy(memory.get(), bytes.data(), bytes.size());
  std::span<const std::byte> view{memory.get(), bytes.size()};
  return {type, std::move(shape), view, std::move(memory)};
}

tensor_block tensor_block::reshaped(std::vector<int64_t> shape) const {
  return {type_, std::move(shape), bytes_, owner_};
}

const tensor_block* find_tensor(std::span<const named_tensor> tensors, std::string_view name) {
  for (auto& x : tensors)
    if (x.name == name)
      return &x.tensor;
  return nullptr;
}

uint64_t total_bytes(std::span<const named_tensor> tensors) {
  uint64_t sum = 0;
  for (auto& x : tensors)
    sum += x.tensor.size_bytes();
  return sum;
}

} // namespace luna
