#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "models/device.hpp"

/// Internal to models/: what only CUDA's runtime knows. Without LUNA_CUDA these answer for a
/// machine without a GPU.
namespace luna::models {

result<device_memory> cuda_memory_of(int index);
void cuda_release_cached_memory();

/// Whether the GPU computes in bf16 natively.
bool has_bf16(int index);

} // namespace luna::models
