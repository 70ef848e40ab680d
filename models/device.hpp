#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/attention_mode.hpp"
#include "base/result.hpp"

namespace luna::models {

/// Prepares the calling thread to run models: every thread that does calls it first, and main
/// before any of them.
/// @param threads how many cores one operation may use; 0: all of them.
void init_worker_thread(int threads);

/// "cpu", then "cuda:0", "cuda:1", ... Loads the GPU's driver the first time.
std::vector<std::string> available_devices();

/// Why a build for GPUs has none to compute on, for people; empty if it has one, or is for the CPU.
std::string missing_gpu();

struct device_memory {
  uint64_t total_bytes = 0; ///< of the machine (its cgroup, if that is less) or of the GPU
  uint64_t used_bytes = 0;  ///< CPU: of this process (resident); GPU: of all processes
  uint64_t model_bytes = 0; ///< CPU: live in the models' own memory; GPU: in libtorch's allocator
};

/// `bad_request` for a name that is no device of this machine.
result<device_memory> memory_of(std::string_view device);

/// Gives memory that allocators keep for later back to the system: call after unloading.
void release_cached_memory(std::string_view device);

/// Nothing, or why this device cannot compute attention that way.
result<void> supports_attention(std::string_view device, attention_mode mode);

} // namespace luna::models
