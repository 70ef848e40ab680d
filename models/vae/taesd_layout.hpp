#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "models/weights/checkpoint.hpp"

namespace luna::models {

/// One step of a TAESD half: a plain chain of 3x3 convolutions and residual blocks.
/// Source of the layout: https://github.com/madebyollin/taesd (MIT).
struct taesd_step {
  enum class what : uint8_t { convolution, block } kind;
  int index;              ///< the number in the tensors' names
  bool halve = false;     ///< convolution with stride 2
  bool double_up = false; ///< nearest-neighbour x2 before the convolution
  bool relu = false;      ///< after the convolution
};

std::span<const taesd_step> taesd_encoder_steps();
std::span<const taesd_step> taesd_decoder_steps();

/// What the latents are divided by and moved by inside the autoencoder:
/// net = (latent - shift) * scale.
struct taesd_range {
  double scale = 1.0;
  double shift = 0.0;
};

/// The range that ComfyUI gives to a pair by its file name ("taesdxl_decoder"); for one joined file
/// the keys vae_scale and vae_shift decide, which `load` reads; else 1 and 0.
taesd_range taesd_range_of(std::string_view stem);

/// Whether both halves are there under their prefixes.
bool is_taesd(const checkpoint& file);

/// `model_facts::own` of a tiny autoencoder.
struct taesd_facts {
  int width = 0;    ///< channels of the body
  int channels = 0; ///< of the latent inside the net, before a fold
  int fold = 1;     ///< net latents per latent side (2: a 2x2 fold into the channels)
};

/// Checks every tensor of both halves.
result<model_facts> describe_taesd(std::span<const checkpoint> files, std::string_view type);

/// TAESD and its relatives for SDXL, SD3, FLUX and FLUX.2.
extern const family taesd_family;

} // namespace luna::models
