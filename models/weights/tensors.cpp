#include "models/weights/tensors.hpp"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/ops/from_blob.h>

#include <charconv>
#include <memory>

#include "base/non_finite.hpp"
#include "models/weights/convert.hpp"

namespace luna::models {

at::ScalarType scalar_type_of(dtype type) {
  switch (type) {
  case dtype::f32:
    return at::kFloat;
  case dtype::f16:
    return at::kHalf;
  case dtype::bf16:
    return at::kBFloat16;
  case dtype::u8:
    return at::kByte;
  case dtype::i32:
    return at::kInt;
  case dtype::i64:
    return at::kLong;
  case dtype::f64:
    return at::kDouble;
  case dtype::i8:
    return at::kChar;
  case dtype::i16:
    return at::kShort;
  case dtype::boolean:
    return at::kBool;
  default:
    TORCH_CHECK(false, "there is no tensor of type ", std::string{to_string(type)});
  }
}

namespace {

dtype dtype_of(at::ScalarType type) {
  switch (type) {
  case at::kFloat:
    return dtype::f32;
  case at::kHalf:
    return dtype::f16;
  case at::kBFloat16:
    return dtype::bf16;
  case at::kByte:
    return dtype::u8;
  case at::kLong:
    return dtype::i64;
  default:
    TORCH_CHECK(false, "no block of type ", type);
  }
}

} // namespace

at::Tensor view_of(const tensor_block& block) {
  // Nobody writes through a view; ATen only has no word for constant memory.
  auto* bytes = const_cast<std::byte*>(block.bytes().data());
  return at::from_blob(
    bytes, block.shape(), [keep = block.owner()](void*) {},
    at::TensorOptions{}.dtype(scalar_type_of(block.type())));
}

tensor_block block_of(const at::Tensor& tensor) {
  auto owner = std::make_shared<at::Tensor>(tensor.to(at::kCPU).contiguous());
  std::span<const std::byte> bytes{static_cast<const std::byte*>(owner->const_data_ptr()),
                                   static_cast<size_t>(owner->nbytes())};
  auto type = dtype_of(owner->scalar_type());
  auto shape = owner->sizes().vec();
  return {type, std::move(shape), bytes, std::move(owner)};
}

result<at::Device> device_of(std::string_view name) {
  if (name == "cpu")
    return at::Device{at::kCPU};
  constexpr std::string_view prefix = "cuda:";
  int index = -1;
  if (name.substr(0, prefix.size()) == prefix) {
    auto number = name.substr(prefix.size());
    auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), index);
    if (error != std::errc{} || end != number.data() + number.size() || index > 127)
      index = -1;
  }
  if (index < 0)
    return fail(ec::bad_request,
                "there is no device '" + std::string{name} + "'; 'cpu' and 'cuda:<n>' are");
  if (!at::hasCUDA() || index >= at::detail::getCUDAHooks().getNumGPUs())
    return fail(ec::bad_request, "this machine has no GPU '" + std::string{name} + "'");
  return at::Device{at::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

failure out_of_memory(const std::string& text) {
  return {ec::out_of_memory, "the device cannot hold the work: " + text, 0, {}};
}

failure failure_of(const c10::Error& error) {
  auto text = error.msg().substr(0, 300);
  // The CPU's allocator has no exception type of its own.
  auto memory = dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr
             || text.find("can't allocate memory") != std::string::npos
             || text.find("not enough memory") != std::string::npos;
  if (memory)
    return out_of_memory(text);
  return {ec::internal, "libtorch failed: " + text, 0, {}};
}

result<tensor_block> convert(const tensor_block& block, dtype type) {
  auto is_float = [](dtype x) { return x == dtype::f32 || x == dtype::f16 || x == dtype::bf16; };
  if (block.type() == type)
    return block;
  if (!is_float(block.type()) || !is_float(type))
    return fail(ec::bad_request, "a tensor of type " + std::string{to_string(block.type())}
                                   + " cannot be sent as " + std::string{to_string(type)});
  return guarded([&]() -> result<tensor_block> {
    auto made = block_of(view_of(block).to(scalar_type_of(type)));
    auto broken = count_non_finite(made);
    if (auto lost = broken == 0 ? 0 : broken - count_non_finite(block); lost > 0)
      return fail(ec::bad_request,
                  std::to_string(lost) + " of its values are too large for "
                    + std::string{to_string(type)}
                    + (type == dtype::f16 ? ", which ends at 65504: ask for the dtype bf16 or f32"
                                          : ": ask for the dtype f32"));
    return made;
  });
}

result<tensor_block> image_to_u8(const tensor_block& image) {
  if (image.type() == dtype::u8)
    return image;
  if (image.type() != dtype::f32 && image.type() != dtype::f16 && image.type() != dtype::bf16)
    return fail(ec::bad_request, "an image of type " + std::string{to_string(image.type())}
                                   + " cannot be sent as u8");
  return guarded([&]() -> result<tensor_block> {
    auto scaled = view_of(image).to(at::kFloat, false, true).mul_(255.0).clamp_(0, 255);
    return block_of(scaled.to(at::kByte));
  });
}

result<tensor_block> convert_reply(const tensor_block& block, dtype type, bool is_image) {
  if (type != dtype::u8)
    return convert(block, type);
  if (!is_image)
    return fail(ec::bad_request, "only images are sent as u8; latents and conditioning as f32, f16"
                                 " or bf16");
  return image_to_u8(block);
}

} // namespace luna::models
