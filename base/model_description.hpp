#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/model_kind.hpp"

namespace luna {

/// The answer of model_info: what a client has to know of a model that it does not hold.
struct model_description {
  model_kind kind = model_kind::text;
  std::string family; ///< "clip_l", "sdxl", "autoencoder_kl", ...
  std::string type;   ///< text: ComfyUI's type name
  std::string hash;   ///< "sha256:<64 hex>" of its files

  std::vector<std::string> token_keys; ///< text: "l", "g", ... in ComfyUI's order
  int32_t layers = 0;                  ///< text: of the deepest tower

  int32_t latent_channels = 0; ///< VAE
  int32_t latent_dim = 0;      ///< VAE: spatial dimensions of a latent: 2
  int32_t downscale_ratio = 0; ///< VAE: pixels per latent, encode
  int32_t upscale_ratio = 0;   ///< VAE: pixels per latent, decode
  int32_t output_channels = 0; ///< VAE

  std::vector<std::string> weight_keys; ///< what LoRA keys map to
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, model_description& x) {
  return f(x.kind, x.family, x.type, x.hash, x.token_keys, x.layers, x.latent_channels,
           x.latent_dim, x.downscale_ratio, x.upscale_ratio, x.output_channels, x.weight_keys);
}

} // namespace luna
