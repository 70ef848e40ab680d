#include "models/device.hpp"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <algorithm>
#include <fstream>
#include <malloc.h>
#include <thread>
#include <unistd.h>

#include "models/device_cuda.hpp"
#include "models/weights/tensors.hpp"
#include "models/weights/weight_memory.hpp"

namespace luna::models {

namespace {

uint64_t page_bytes() {
  return static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

/// The number in a file of the kernel; nothing for "max" and for no file.
uint64_t read_number(const char* path, uint64_t otherwise) {
  std::ifstream in{path};
  uint64_t value = 0;
  return in >> value ? value : otherwise;
}

uint64_t machine_bytes() {
  auto physical = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * page_bytes();
  auto v2 = read_number("/sys/fs/cgroup/memory.max", physical);
  auto v1 = read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes", physical);
  return std::min({physical, v1, v2});
}

uint64_t resident_bytes() {
  std::ifstream in{"/proc/self/statm"};
  uint64_t size = 0;
  uint64_t resident = 0;
  in >> size >> resident;
  return resident * page_bytes();
}

} // namespace

void init_worker_thread(int threads) {
  auto cores = static_cast<int>(std::thread::hardware_concurrency());
  at::set_num_threads(std::max(1, threads > 0 ? threads : cores));
}

std::vector<std::string> available_devices() {
  std::vector<std::string> names{"cpu"};
  if (at::hasCUDA())
    for (int i = 0; i < at::detail::getCUDAHooks().getNumGPUs(); ++i)
      names.push_back("cuda:" + std::to_string(i));
  return names;
}

result<device_memory> memory_of(std::string_view device) {
  auto known = device_of(device);
  if (!known)
    return fail(known);
  if (known->is_cuda())
    return cuda_memory_of(known->index());
  return device_memory{machine_bytes(), resident_bytes(), weight_memory::live_bytes()};
}

void release_cached_memory(std::string_view device) {
  if (device == "cpu")
    ::malloc_trim(0);
  else
    cuda_release_cached_memory();
}

result<void> supports_attention(std::string_view device, attention_mode mode) {
  auto known = device_of(device);
  if (!known)
    return fail(known);
  if (known->is_cuda() && mode == attention_mode::flash)
    return fail(ec::unsupported_model, "flash attention on " + std::string{device}
                                         + " needs 16-bit values, and the text encoders compute in"
                                           " fp32");
  return {};
}

} // namespace luna::models
