#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string_view>

#include "base/attention_mode.hpp"
#include "base/result.hpp"

namespace luna::models {

/// How a running load, encode or decode hears of the world, and the world of it.
///
/// Contract: `stop` is looked at between layers, tiles and files; once it is requested the call
/// ends with `cancelled`. `progress` is called on the calling thread with stages "load", "encode",
/// "decode" and "tile". `attention` is read at each attention call, so a new mode takes effect in
/// running work.
struct run_context {
  std::stop_token stop;
  std::function<void(std::string_view stage, uint64_t value, uint64_t max)> progress;
  const std::atomic<attention_mode>* attention = nullptr; ///< null: automatic
  uint64_t working_bytes = 0; ///< memory beside the weights that the call may use; 0: no limit

  /// No room can be made any more: a VAE whose memory runs out goes on in tiles. If false it
  /// answers `out_of_memory`, for the caller to make room and ask again.
  bool last_try = true;

  attention_mode mode() const {
    return attention ? attention->load(std::memory_order_relaxed) : attention_mode::automatic;
  }

  void report(std::string_view stage, uint64_t value, uint64_t max) const {
    if (progress)
      progress(stage, value, max);
  }

  bool stopped() const { return stop.stop_requested(); }
};

/// The answer of a call that was stopped.
inline tl::unexpected<failure> cancelled() {
  return fail(ec::cancelled, "the work was cancelled");
}

} // namespace luna::models
