#pragma once

#include <cstdint>
#include <string_view>

#include "models/run_context.hpp"

namespace luna::models {

/// Counts the layers or tiles of a run: tells progress and hears a stop.
class ticker {
public:
  /// @param stage "" for one that only listens.
  ticker(const run_context& context, std::string_view stage, uint64_t total)
    : context_(context), stage_(stage), total_(total) {}

  /// One more is done. @returns false if the run has to end.
  bool tick() {
    ++done_;
    if (!stage_.empty())
      context_.report(stage_, done_, total_);
    return !context_.stopped();
  }

  bool stopped() const { return context_.stopped(); }

  const run_context& context() const noexcept { return context_; }

private:
  const run_context& context_;
  std::string_view stage_;
  uint64_t total_;
  uint64_t done_ = 0;
};

} // namespace luna::models
