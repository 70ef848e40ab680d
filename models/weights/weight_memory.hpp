#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.hpp"
#include "models/run_context.hpp"
#include "models/weights/checkpoint.hpp"

/// Internal to models/: needs libtorch's headers.
namespace luna::models {

/// Where the weights of one model live.
///
/// The problem: "unload" must give the memory back to the system, which a general-purpose heap may
/// or may not do. On the CPU the tensors of a model are cut from one anonymous mapping of its own,
/// which goes with the model; what is packed into a layout of its own is counted beside it. On a
/// GPU libtorch's allocator serves. Contract: tensors taken from it must not outlive it.
class weight_memory {
public:
  /// @param capacity bytes that `take` may hand out on the CPU; only touched pages cost.
  /// @throws std::bad_alloc if the address space is exhausted.
  weight_memory(at::Device device, uint64_t capacity);
  ~weight_memory();
  weight_memory(const weight_memory&) = delete;
  weight_memory& operator=(const weight_memory&) = delete;

  at::Device device() const noexcept { return device_; }

  /// An uninitialised contiguous tensor.
  at::Tensor take(at::IntArrayRef sizes, at::ScalarType type);

  /// Counts a tensor that lives elsewhere but belongs to the model.
  void count(uint64_t bytes);

  /// Bytes handed out and counted.
  uint64_t bytes() const noexcept { return bytes_; }

  /// Bytes of all models on the CPU.
  static uint64_t live_bytes() noexcept;

private:
  at::Device device_;
  std::byte* base_ = nullptr;
  uint64_t capacity_ = 0;
  uint64_t used_ = 0;
  uint64_t bytes_ = 0;
};

/// Reads tensors of a checkpoint into memory, in pieces, so that a load needs little beside what
/// stays. Stops between pieces.
class weight_reader {
public:
  /// @param round values go through fp16 on their way ("exact" of the CLIP encoders).
  weight_reader(const checkpoint& file, const run_context& context, uint64_t total_bytes,
                bool round)
    : file_(&file), context_(context), total_(total_bytes), round_(round) {}

  /// Reads from another file of the same model from now on.
  void go_on_in(const checkpoint& file) { file_ = &file; }

  /// Fills `target` (contiguous, as many elements as the file's tensor).
  result<void> read(std::string_view name, const at::Tensor& target);

  /// A tensor from the model's memory, filled.
  result<at::Tensor> load(std::string_view name, weight_memory& memory, at::ScalarType type);

  bool has(std::string_view name) const { return file_->has(name); }

private:
  const checkpoint* file_;
  const run_context& context_;
  uint64_t total_;
  uint64_t done_ = 0;
  bool round_;
};

} // namespace luna::models
