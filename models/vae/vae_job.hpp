#pragma once

#include "models/vae/vae.hpp"

namespace luna::models {

/// Height and width of the images of a job, in the units of its input.
struct plane {
  int64_t count = 0; ///< images
  int64_t height = 0;
  int64_t width = 0;
};

/// @pre `check_vae_job` says yes.
plane plane_of(vae_direction direction, std::span<const int64_t> input);

/// The tiling of a job with its defaults filled in.
/// @returns `bad_request` naming the field that does not fit.
result<vae_tiling> resolve_tiling(const model_facts& facts, vae_direction direction,
                                  const vae_tiling& asked);

/// Working memory of one image without tiles, without the job's input and result.
uint64_t net_working_bytes(const model_facts& facts, vae_direction direction, int64_t height,
                           int64_t width);

/// The same for nets of 3x3 convolutions whose widest tensors are at full resolution.
/// @param channels of the body. @param planes so wide that are held at once.
uint64_t bytes_at_full_size(const model_facts& facts, vae_direction direction, int64_t height,
                            int64_t width, int channels, unsigned planes);

} // namespace luna::models
