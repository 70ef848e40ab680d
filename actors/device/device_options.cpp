#include <caf/actor_system.hpp>
#include <caf/all.hpp>

#include <random>

#include "actors/device/device_manager.hpp"
#include "actors/device/model_worker.hpp"
#include "models/device.hpp"

namespace luna {

namespace {

constexpr uint64_t cpu_percent = 75; // the rest is for pictures, connections and the system
constexpr uint64_t gpu_percent = 90; // the rest is for the driver and the fragments of an allocator

} // namespace

result<device_options> make_device_options(const std::string& name, uint64_t memory,
                                           uint32_t threads) {
  auto state = models::memory_of(name);
  if (!state)
    return fail(state);
  device_options options;
  options.name = name;
  options.total_bytes = state->total_bytes;
  auto percent = name == "cpu" ? cpu_percent : gpu_percent;
  options.budget_bytes = memory > 0 ? memory : state->total_bytes / 100 * percent;
  options.make_worker = [name, threads](caf::actor_system& system) -> worker_actor {
    return system.spawn<caf::detached>(model_worker, worker_options{name, threads});
  };
  options.supports_attention = [name](attention_mode mode) {
    return models::supports_attention(name, mode);
  };
  options.seed = std::random_device{}();
  return options;
}

} // namespace luna
