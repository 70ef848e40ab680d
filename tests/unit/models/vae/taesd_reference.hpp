#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/tensor_block.hpp"

namespace luna::test {

/// One image of numbers, channel by channel.
struct plain_image {
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  std::vector<double> values;

  double at(int64_t c, int64_t y, int64_t x) const {
    if (y < 0 || x < 0 || y >= height || x >= width)
      return 0; // the zero padding of a convolution
    return values[static_cast<size_t>((c * height + y) * width + x)];
  }
};

/// A tiny autoencoder in TAESD's layout with noise for weights, and what it computes, by plain
/// loops in double precision, written from the layout's description: the oracle of our own net.
struct tiny_autoencoder {
  std::vector<named_tensor> encoder; ///< names without a prefix: "3.conv.0.weight"
  std::vector<named_tensor> decoder;
  double scale = 1; ///< net = (latent - shift) * scale
  double shift = 0;

  /// @param image 3 channels in 0..1.
  plain_image encode(const plain_image& image) const;

  /// Not clamped.
  plain_image decode(const plain_image& latent) const;
};

/// @param channels of the net's latents; 32 gives TAEF2's bottlenecks.
tiny_autoencoder make_autoencoder(int64_t width, int64_t channels, uint64_t seed,
                                  dtype type = dtype::f32);

/// TAEF2's fold: folded[4 c + 2 dy + dx, y, x] = net[c, 2 y + dy, 2 x + dx], and back.
plain_image fold(const plain_image& net);
plain_image unfold(const plain_image& folded);

/// One file with both halves under ComfyUI's prefixes.
void write_joined(const tiny_autoencoder& net, const std::filesystem::path& path,
                  const std::vector<named_tensor>& more = {});

/// One half in a file of its own.
void write_half(const std::vector<named_tensor>& half, const std::filesystem::path& path);

/// Image 0 of [B, H, W, C] in 0..1 or [B, C, h, w].
plain_image pixels_of(const tensor_block& pixels);
plain_image latent_of(const tensor_block& latents);
tensor_block block_of_pixels(const plain_image& image);
tensor_block block_of_latent(const plain_image& latent);

} // namespace luna::test
