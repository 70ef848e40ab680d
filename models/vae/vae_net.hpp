#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "models/ticker.hpp"
#include "models/vae/vae.hpp"
#include "models/weights/checkpoint.hpp"

/// Internal to models/: needs libtorch's headers.
namespace luna::models {

/// What a family of autoencoders has to bring: one image at a time through its net. Jobs, batches,
/// cropping, tiling, memory and number types are `make_vae`'s.
class vae_net {
public:
  virtual ~vae_net() = default;

  virtual at::Device device() const = 0;

  /// Bytes that the weights take.
  virtual uint64_t weight_bytes() const = 0;

  /// How often one run ticks.
  virtual uint64_t ticks(vae_direction direction) const = 0;

  /// @param pixels [1, 3, H, W] fp32 in 0..1, sides multiples of the model's ratio.
  /// @returns latents [1, C, h, w] fp32, or `cancelled`.
  virtual result<at::Tensor> encode(const at::Tensor& pixels, ticker& ticker) const = 0;

  /// @param latents [1, C, h, w] fp32.
  /// @returns pixels [1, 3, H, W] fp32 about 0..1, not clamped, or `cancelled`.
  virtual result<at::Tensor> decode(const at::Tensor& latents, ticker& ticker) const = 0;
};

/// A VAE around a net.
std::unique_ptr<vae> make_vae(const model_facts& facts, std::unique_ptr<vae_net> net);

/// The net of a family of tiny autoencoders.
result<std::unique_ptr<vae_net>> load_taesd(const checkpoint& file, const model_facts& facts,
                                            at::Device device, const run_context& context);

/// The net of the KL family.
result<std::unique_ptr<vae_net>> load_autoencoder_kl(const checkpoint& file,
                                                     const model_facts& facts, at::Device device,
                                                     const run_context& context);

} // namespace luna::models
