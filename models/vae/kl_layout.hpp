#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/weights/checkpoint.hpp"

namespace luna::models {

/// One step of half an autoencoder of the KL family (SD1.5, SDXL, Flux, ...). The steps of a half
/// run one after another; names and shapes of their tensors follow from them.
struct kl_step {
  enum class what : uint8_t {
    convolution, ///< size kept
    block,       ///< two normalised 3x3 convolutions beside a shortcut
    attention,   ///< over all places, one head
    halve,       ///< 3x3 convolution of stride 2, padded on the right and below
    double_up,   ///< nearest-neighbour x2, then a 3x3 convolution
    last,        ///< one normalised 3x3 convolution
  } kind;
  std::string name; ///< of its tensors, as LDM names them: "decoder.up.3.block.0"
  int64_t in = 0;   ///< channels
  int64_t out = 0;
  int64_t side = 3; ///< of a convolution's kernel
};

/// A tensor that a step needs.
struct kl_tensor {
  std::string name; ///< LDM's: "decoder.up.3.block.0.conv1.weight"
  std::vector<int64_t> shape;
};

/// What a file's tensors say of the autoencoder in it.
struct kl_shape {
  std::string prefix;          ///< of all names: "first_stage_model." in a checkpoint
  bool diffusers = false;      ///< names as in diffusers' files, else LDM's
  bool quantised = false;      ///< 1x1 convolutions between latents and net
  int64_t latent_channels = 0; ///< of the latents that go in and out
  int64_t net_channels = 0;    ///< of the decoder's input
  int64_t encoder_width = 0;   ///< channels at full size
  int64_t decoder_width = 0;
};

/// Whether the file, or the checkpoint, holds such an autoencoder.
bool is_kl(const checkpoint& file);

/// Reads sizes off the tensors. @pre `is_kl(file)`.
/// @returns `unsupported_model` for relatives that compute differently, `bad_model_file` for
///   tensors whose sizes make no sense.
result<kl_shape> shape_of_kl(const checkpoint& file);

std::vector<kl_step> kl_encoder_steps(const kl_shape& shape);
std::vector<kl_step> kl_decoder_steps(const kl_shape& shape);

std::vector<kl_tensor> tensors_of(const kl_step& step);

/// The name that a tensor of LDM's naming has in this file.
std::string kl_name(const checkpoint& file, const kl_shape& shape, std::string_view name);

/// `model_facts::own` of an autoencoder of the KL family.
struct kl_facts {
  int width = 0; ///< channels at full size
};

/// Checks every tensor of both halves.
result<model_facts> describe_kl(std::span<const checkpoint> files, std::string_view type);

/// The autoencoders of SD1.5, SDXL, SD3 and FLUX.
extern const family kl_family;

} // namespace luna::models
