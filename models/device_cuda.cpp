#include "models/device_cuda.hpp"

#ifdef LUNA_CUDA
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>

#include <cuda_runtime_api.h>
#endif

#include <string>

namespace luna::models {

#ifdef LUNA_CUDA

result<device_memory> cuda_memory_of(int index) {
  try {
    c10::cuda::CUDAGuard guard{static_cast<c10::DeviceIndex>(index)};
    size_t free = 0;
    size_t total = 0;
    C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
    auto stats =
      c10::cuda::CUDACachingAllocator::getDeviceStats(static_cast<c10::DeviceIndex>(index));
    auto live = stats.allocated_bytes[0].current; // entry 0: all pools together
    return device_memory{total, total - free, static_cast<uint64_t>(live)};
  } catch (const c10::Error& error) {
    return fail(ec::internal, "the GPU cuda:" + std::to_string(index)
                                + " does not answer: " + error.msg().substr(0, 300));
  }
}

void cuda_release_cached_memory() {
  c10::cuda::CUDACachingAllocator::emptyCache();
}

bool has_bf16(int index) {
  cudaDeviceProp properties{};
  return cudaGetDeviceProperties(&properties, index) == cudaSuccess && properties.major >= 8;
}

std::string missing_gpu() {
  int count = 0;
  auto problem = cudaGetDeviceCount(&count);
  if (problem != cudaSuccess)
    return cudaGetErrorString(problem);
  return count > 0 ? "" : "there is none";
}

#else

std::string missing_gpu() {
  return {};
}

result<device_memory> cuda_memory_of(int index) {
  return fail(ec::bad_request,
              "this build has no CUDA, so there is no cuda:" + std::to_string(index));
}

void cuda_release_cached_memory() {}

bool has_bf16(int) {
  return false;
}

#endif

} // namespace luna::models
