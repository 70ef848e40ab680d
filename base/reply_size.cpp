#include "base/reply_size.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/safetensors.hpp"

namespace luna {

namespace {

/// Bytes of a safetensors buffer with these tensors.
uint64_t size_of_body(std::span<const tensor_shape> tensors) {
  std::vector<named_tensor> views;
  for (auto& x : tensors) {
    auto bytes = element_count(x.shape).value_or(0) * size_of(x.type);
    // Of nothing: the head tells types and shapes only.
    std::span<const std::byte> nothing{static_cast<const std::byte*>(nullptr), bytes};
    views.push_back({x.name, tensor_block{x.type, x.shape, nothing, nullptr}});
  }
  return write_safetensors_head(views).size() + total_bytes(views);
}

std::string what_fits(const tensor_shape& first, uint64_t size, uint64_t limit) {
  if (first.name != "images" && first.name != "latents")
    return "ask for 'dtype' f16 or bf16, or for less in one request";
  auto count = std::max(static_cast<uint64_t>(first.shape.front()), uint64_t{1});
  auto each = element_count(first.shape).value_or(0) * size_of(first.type) / count;
  auto head = size - each * count;
  auto fit = limit > head && each > 0 ? (limit - head) / each : 0;
  if (fit == 0)
    return "not one image of this size fits: ask for 'dtype' f16 or u8, or smaller images";
  return std::to_string(fit) + (fit == 1 ? " image" : " images")
       + " of this size would fit: split the batch";
}

} // namespace

result<void> check_reply_size(std::span<const tensor_shape> tensors, uint64_t limit) {
  if (tensors.empty() || limit == 0)
    return {};
  auto size = size_of_body(tensors);
  if (size <= limit)
    return {};
  failure why{ec::bad_request,
              "the reply's body would have " + std::to_string(size) + " bytes, over the limit of "
                + std::to_string(limit) + ": " + what_fits(tensors.front(), size, limit),
              0, nlohmann::json{{"body_bytes", size}, {"max_body_bytes", limit}}.dump()};
  return tl::make_unexpected(std::move(why));
}

} // namespace luna
