// Any bytes as a safetensors buffer: reading must neither crash nor point outside, and what is read
// must survive being written and read again.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "base/safetensors.hpp"

namespace {

using namespace luna;

void require(bool holds) {
  if (!holds)
    std::abort();
}

bool equal(const tensor_block& x, const tensor_block& y) {
  return x.type() == y.type() && x.shape() == y.shape() && x.size_bytes() == y.size_bytes()
      && (x.size_bytes() == 0
          || std::memcmp(x.bytes().data(), y.bytes().data(), x.size_bytes()) == 0);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr safetensors_limits limits{.header_bytes = 1 << 20, .tensors = 50, .rank = 8};
  std::span bytes{reinterpret_cast<const std::byte*>(data), size};
  auto header = parse_safetensors(bytes, size, limits);
  // A file of another size than its prefix, as when a model file is opened.
  static_cast<void>(parse_safetensors(bytes, uint64_t{size} * 1000, limits));
  auto tensors = read_safetensors(bytes, std::make_shared<int>(0), limits);
  if (!header) {
    require(header.error().code == ec::bad_request);
    require(header.error().message.size() < 500);
    require(!tensors || size == 0);
    return 0;
  }
  auto has_packed = std::any_of(header->entries.begin(), header->entries.end(),
                                [](auto& x) { return !x.packed_type.empty(); });
  require(tensors.has_value() == !has_packed);
  uint64_t at = header->data_begin;
  for (auto& x : header->entries) {
    require(x.begin == at && x.end >= x.begin && x.end <= size);
    require(header->find(x.name) != nullptr);
    at = x.end;
  }
  require(at == size);
  if (has_packed)
    return 0;
  require(tensors->size() == header->entries.size());
  auto written = std::make_shared<std::string>(write_safetensors(*tensors, header->metadata));
  auto again =
    read_safetensors(std::as_bytes(std::span{written->data(), written->size()}), written);
  require(again.has_value() && again->size() == tensors->size());
  for (auto& x : *tensors) {
    auto* y = find_tensor(*again, x.name);
    require(y != nullptr && equal(x.tensor, *y));
  }
  return 0;
}
