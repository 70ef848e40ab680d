#include "protocol/body.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>
#include <sys/mman.h>

#include "base/safetensors.hpp"

namespace luna::protocol {

namespace {

/// Up to here a body lies on the heap, which hands out again what others have given back: the pages
/// of a large body are dear when they are new. A page counts from the first byte that is written to
/// it, so a large size that is only announced costs addresses here, too.
constexpr uint64_t heap_bytes = 32 << 20;

/// What the header of a body may say: the file format's own 100 MB are for model files.
constexpr safetensors_limits body_limits{.header_bytes = 16 << 20, .tensors = 10000, .rank = 8};

} // namespace

/// The bytes and their share of the budget, given back together.
struct body_buffer::memory {
  explicit memory(uint64_t bytes) : size(bytes) {
    if (size <= heap_bytes) {
      data = static_cast<std::byte*>(::operator new(size, std::nothrow));
      return;
    }
    // Addresses only: the kernel gives a page when a byte of it arrives.
    auto* at = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at != MAP_FAILED)
      data = static_cast<std::byte*>(at);
  }

  memory(const memory&) = delete;

  ~memory() {
    if (size <= heap_bytes)
      ::operator delete(data);
    else if (data != nullptr)
      munmap(data, size);
  }

  std::byte* data = nullptr;
  const uint64_t size;
  byte_budget::share share;
};

body_buffer::body_buffer() = default;
body_buffer::body_buffer(body_buffer&&) noexcept = default;
body_buffer& body_buffer::operator=(body_buffer&&) noexcept = default;
body_buffer::~body_buffer() = default;

result<body_buffer> body_buffer::make(uint64_t size, const std::shared_ptr<byte_budget>& budget) {
  body_buffer buffer;
  buffer.memory_ = std::make_unique<memory>(size);
  if (buffer.memory_->data == nullptr)
    return fail(ec::overloaded,
                "there is no room for a body of " + std::to_string(size)
                  + " bytes now: try again later",
                std::chrono::seconds{1});
  buffer.memory_->share = *budget->try_take(0);
  buffer.size_ = size;
  return buffer;
}

bool body_buffer::append(std::span<const std::byte> bytes) {
  auto needed = filled_ + bytes.size();
  auto& share = memory_->share;
  if (needed > share.bytes()) {
    auto wanted = std::min(size_, (needed + step - 1) / step * step);
    if (!share.grow(wanted - share.bytes()))
      return false;
  }
  if (!bytes.empty())
    std::memcpy(memory_->data + filled_, bytes.data(), bytes.size());
  filled_ = needed;
  return true;
}

received_body body_buffer::finish() && {
  std::span<const std::byte> bytes{memory_->data, size_};
  return {std::shared_ptr<const memory>{std::move(memory_)}, bytes};
}

failure out_of_buffers() {
  return {ec::overloaded,
          "the node's memory for bodies (limits.buffers) is taken: try again later",
          1000,
          {}};
}

result<std::vector<named_tensor>> read_body(const received_body& body) {
  return read_safetensors(body.bytes, body.owner, body_limits);
}

result<tensor_block> require_tensor(std::span<const named_tensor> tensors, std::string_view name) {
  if (auto* tensor = find_tensor(tensors, name))
    return *tensor;
  std::string message = "the body must hold a tensor '" + std::string{name} + "'; it holds ";
  if (tensors.empty())
    message += "none";
  for (size_t i = 0; i < std::min<size_t>(tensors.size(), 8); ++i)
    message += (i > 0 ? ", '" : "'") + tensors[i].name.substr(0, 64) + "'";
  return fail(ec::bad_request, std::move(message));
}

} // namespace luna::protocol
