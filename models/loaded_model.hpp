#pragma once

#include <cstdint>
#include <string>

#include "models/weights/inspect.hpp"

namespace luna::models {

struct load_options {
  std::string device = "cpu";      ///< "cpu" or "cuda:<n>"
  std::string precision = "exact"; ///< "exact": as ComfyUI computes; others are `bad_request`
};

/// A model whose weights are in memory.
///
/// Contract: the weights live in memory of their own; nothing refers to the files any more.
/// Destruction returns the memory to the operating system (CPU) or to the device's allocator.
/// Thread rule: one thread at a time; that thread has called `init_worker_thread`.
class loaded_model {
public:
  virtual ~loaded_model() = default;
  loaded_model(const loaded_model&) = delete;
  loaded_model& operator=(const loaded_model&) = delete;

  const model_facts& facts() const noexcept { return facts_; }

  /// Bytes of memory that the weights take, measured.
  virtual uint64_t weight_bytes() const noexcept = 0;

protected:
  explicit loaded_model(model_facts facts) : facts_(std::move(facts)) {}

private:
  model_facts facts_;
};

} // namespace luna::models
