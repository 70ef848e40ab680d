#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_block.hpp"
#include "base/tiling.hpp"
#include "base/warning.hpp"
#include "models/loaded_model.hpp"
#include "models/run_context.hpp"

namespace luna::models {

struct vae_job {
  /// encode: pixels [B, H, W, C] or [H, W, C], C >= 3, f32/f16/bf16 in 0..1 or u8.
  /// decode: latents [B, C, h, w] or [B, C, frames, h, w] (frame 0 counts), f32/f16/bf16.
  tensor_block input;
  vae_tiling tiling;
};

struct vae_output {
  /// encode: latents [B, C, h, w] f32, the posterior mean, unscaled.
  /// decode: images [B, H, W, 3] f32 in 0..1.
  tensor_block tensor;
  bool tiled = false;
  int tiles = 0; ///< nets run over tiles, all passes and images together; 0 if not tiled
  std::vector<warning> warnings{}; ///< of memory that ran out on the way
};

enum class vae_direction : uint8_t { encode, decode };

/// Whether a job fits a model, without the model: `bad_request` for a wrong type, rank or size,
/// `model_mismatch` for another number of latent channels.
result<void> check_vae_job(const model_facts& facts, vae_direction direction, const vae_job& job);

/// The shape of the job's result. @pre `check_vae_job` says yes.
std::vector<int64_t> vae_output_shape(const model_facts& facts, vae_direction direction,
                                      std::span<const int64_t> input);

/// Memory beside the weights for one untiled image of this size (images run one by one), and for
/// one tile if `tiling` says on, roughly; input and result included.
uint64_t estimate_working_bytes(const model_facts& facts, vae_direction direction,
                                const vae_job& job);

class vae : public loaded_model {
public:
  /// Images of pixels into latents; H and W are centre-cropped to the model's multiple, channels
  /// beyond the third are dropped.
  /// Each answer is what the job alone would have given: the composition of the batch changes
  /// nothing.
  /// @returns one result a job, in order.
  virtual std::vector<result<vae_output>> encode(std::span<const vae_job> jobs,
                                                 const run_context& context) = 0;

  /// Latents into images.
  virtual std::vector<result<vae_output>> decode(std::span<const vae_job> jobs,
                                                 const run_context& context) = 0;

protected:
  using loaded_model::loaded_model;
};

} // namespace luna::models
