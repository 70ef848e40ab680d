#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

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

/// A VAE whose net is a `Net`, made of (facts, device) and loaded from (file, context).
template <class Net>
result<std::unique_ptr<loaded_model>>
load_vae(std::span<const model_file> files, const model_facts& facts, const load_options& options,
         const run_context& context) {
  auto file = checkpoint::open(files);
  if (!file)
    return fail(file);
  auto net = std::make_unique<Net>(facts, at::Device{options.device});
  if (auto ok = net->load(*file, context); !ok)
    return fail(ok);
  return make_vae(facts, std::move(net));
}

} // namespace luna::models
