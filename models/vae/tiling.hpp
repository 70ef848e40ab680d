#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "models/ticker.hpp"
#include "models/vae/vae.hpp"

/// Internal to models/: needs libtorch's headers.
namespace luna::models {

/// What tiled computing needs to know of a net.
struct tiled_net {
  /// One tile [1, c, h, w] through the net.
  std::function<result<at::Tensor>(const at::Tensor&)> run;
  int64_t up = 1;       ///< result pixels per input pixel (decode), or 1
  int64_t down = 1;     ///< input pixels per result pixel (encode), or 1
  int64_t channels = 3; ///< of the result
};

/// Number of tiles that three passes over an image take.
uint64_t count_tiles(const vae_tiling& tiling, int64_t height, int64_t width);

/// Runs an image through a net in three passes of overlapping tiles (square, wide, tall) and
/// averages them, as ComfyUI does. Within a pass tiles are blended by linear ramps over the
/// overlap.
/// @param image [1, c, H, W]; @param tiling resolved.
/// @returns [1, channels, H', W'] fp32 on the CPU, or `cancelled`.
result<at::Tensor> run_tiled(const tiled_net& net, const at::Tensor& image,
                             const vae_tiling& tiling, ticker& ticker);

} // namespace luna::models
