#include "taesd_reference.hpp"

#include <algorithm>
#include <cmath>

#include "base/safetensors.hpp"
#include "models/weights/convert.hpp"
#include "support.hpp"

namespace luna::test {

namespace {

std::vector<float> weights(const std::vector<named_tensor>& half, const std::string& name) {
  auto* found = find_tensor(half, name);
  return found == nullptr ? std::vector<float>{}
                          : values_of(value(models::convert(*found, dtype::f32)));
}

plain_image empty(int64_t channels, int64_t height, int64_t width) {
  return {channels, height, width,
          std::vector<double>(static_cast<size_t>(channels * height * width))};
}

double& element(plain_image& image, int64_t c, int64_t y, int64_t x) {
  return image.values[static_cast<size_t>((c * image.height + y) * image.width + x)];
}

plain_image convolve(const plain_image& in, const std::vector<named_tensor>& half,
                     const std::string& name, int64_t stride = 1) {
  auto& shape = find_tensor(half, name + ".weight")->shape();
  auto side = shape[2];
  auto weight = weights(half, name + ".weight");
  auto bias = weights(half, name + ".bias");
  auto out = empty(shape[0], (in.height - 1) / stride + 1, (in.width - 1) / stride + 1);
  for (int64_t o = 0; o < shape[0]; ++o)
    for (int64_t y = 0; y < out.height; ++y)
      for (int64_t x = 0; x < out.width; ++x) {
        double sum = bias.empty() ? 0.0 : bias[static_cast<size_t>(o)];
        for (int64_t i = 0; i < shape[1]; ++i)
          for (int64_t dy = 0; dy < side; ++dy)
            for (int64_t dx = 0; dx < side; ++dx)
              sum += in.at(i, y * stride + dy - side / 2, x * stride + dx - side / 2)
                   * weight[static_cast<size_t>(((o * shape[1] + i) * side + dy) * side + dx)];
        element(out, o, y, x) = sum;
      }
  return out;
}

plain_image relu(plain_image x) {
  for (auto& v : x.values)
    v = std::max(v, 0.0);
  return x;
}

plain_image add(plain_image x, const plain_image& y) {
  for (size_t i = 0; i < x.values.size(); ++i)
    x.values[i] += y.values[i];
  return x;
}

plain_image normalise_groups(plain_image x, const std::vector<float>& weight,
                             const std::vector<float>& bias) {
  constexpr int64_t groups = 4;
  auto size = x.values.size() / groups;
  auto plane = static_cast<size_t>(x.height * x.width);
  for (size_t g = 0; g < groups; ++g) {
    double mean = 0;
    for (size_t i = g * size; i < (g + 1) * size; ++i)
      mean += x.values[i] / static_cast<double>(size);
    double variance = 0;
    for (size_t i = g * size; i < (g + 1) * size; ++i)
      variance += (x.values[i] - mean) * (x.values[i] - mean) / static_cast<double>(size);
    for (size_t i = g * size; i < (g + 1) * size; ++i)
      x.values[i] =
        (x.values[i] - mean) / std::sqrt(variance + 1e-5) * weight[i / plane] + bias[i / plane];
  }
  return x;
}

plain_image residual(plain_image x, const std::vector<named_tensor>& half, int index) {
  auto name = std::to_string(index);
  if (find_tensor(half, name + ".pool.0.weight") != nullptr) {
    auto inner =
      normalise_groups(convolve(x, half, name + ".pool.0"), weights(half, name + ".pool.1.weight"),
                       weights(half, name + ".pool.1.bias"));
    x = add(x, convolve(relu(inner), half, name + ".pool.3"));
  }
  auto y = relu(convolve(x, half, name + ".conv.0"));
  y = relu(convolve(y, half, name + ".conv.2"));
  return relu(add(convolve(y, half, name + ".conv.4"), x));
}

plain_image double_up(const plain_image& in) {
  auto out = empty(in.channels, in.height * 2, in.width * 2);
  for (int64_t c = 0; c < out.channels; ++c)
    for (int64_t y = 0; y < out.height; ++y)
      for (int64_t x = 0; x < out.width; ++x)
        element(out, c, y, x) = in.at(c, y / 2, x / 2);
  return out;
}

/// Adds tensors of noise to a half.
class maker {
public:
  maker(std::vector<named_tensor>& half, uint64_t seed, dtype type)
    : half_(half), seed_(seed), type_(type) {}

  void put(const std::string& name, std::vector<int64_t> shape, double size, double mean = 0) {
    auto values = values_of(noise(shape, ++seed_, size));
    for (auto& v : values)
      v += static_cast<float>(mean);
    half_.push_back({name, value(models::convert(floats(std::move(shape), values), type_))});
  }

  void convolution(const std::string& name, int64_t rows, int64_t columns, bool bias = true) {
    put(name + ".weight", {rows, columns, 3, 3},
        1.0 / std::sqrt(9.0 * static_cast<double>(columns)));
    if (bias)
      put(name + ".bias", {rows}, 0.1);
  }

  void block(int index, int64_t width, bool bottleneck) {
    auto name = std::to_string(index);
    for (auto part : {".conv.0", ".conv.2", ".conv.4"})
      convolution(name + part, width, width);
    if (!bottleneck)
      return;
    put(name + ".pool.0.weight", {4 * width, width, 1, 1}, 0.5);
    put(name + ".pool.1.weight", {4 * width}, 0.1, 1.0);
    put(name + ".pool.1.bias", {4 * width}, 0.1);
    put(name + ".pool.3.weight", {width, 4 * width, 1, 1}, 0.2);
  }

private:
  std::vector<named_tensor>& half_;
  uint64_t seed_;
  dtype type_;
};

} // namespace

plain_image tiny_autoencoder::encode(const plain_image& image) const {
  auto x = convolve(image, encoder, "0");
  x = residual(x, encoder, 1);
  int index = 2;
  for (int level = 0; level < 3; ++level) {
    x = convolve(x, encoder, std::to_string(index++), 2);
    for (int i = 0; i < 3; ++i)
      x = residual(x, encoder, index++);
  }
  x = convolve(x, encoder, "14");
  for (auto& v : x.values)
    v = v / scale + shift;
  return x;
}

plain_image tiny_autoencoder::decode(const plain_image& latent) const {
  auto x = latent;
  for (auto& v : x.values)
    v = 3 * std::tanh((v - shift) * scale / 3);
  x = relu(convolve(x, decoder, "1"));
  int index = 3;
  for (int level = 0; level < 3; ++level) {
    for (int i = 0; i < 3; ++i)
      x = residual(x, decoder, index++);
    ++index; // the upsampling has a number, too
    x = convolve(double_up(x), decoder, std::to_string(index++));
  }
  x = residual(x, decoder, 18);
  return convolve(x, decoder, "19");
}

tiny_autoencoder make_autoencoder(int64_t width, int64_t channels, uint64_t seed, dtype type) {
  tiny_autoencoder net;
  auto bottleneck = channels == 32;
  maker encoder{net.encoder, seed, type};
  encoder.convolution("0", width, 3);
  encoder.block(1, width, false);
  for (int level = 0; level < 3; ++level) {
    encoder.convolution(std::to_string(2 + 4 * level), width, width, false);
    for (int i = 0; i < 3; ++i)
      encoder.block(3 + 4 * level + i, width, bottleneck && level == 2);
  }
  encoder.convolution("14", channels, width);
  maker decoder{net.decoder, seed + 1000, type};
  decoder.convolution("1", width, channels);
  for (int level = 0; level < 3; ++level) {
    for (int i = 0; i < 3; ++i)
      decoder.block(3 + 5 * level + i, width, bottleneck && level == 0);
    decoder.convolution(std::to_string(7 + 5 * level), width, width, false);
  }
  decoder.block(18, width, false);
  decoder.convolution("19", 3, width);
  return net;
}

plain_image fold(const plain_image& net) {
  auto out = empty(net.channels * 4, net.height / 2, net.width / 2);
  for (int64_t c = 0; c < net.channels; ++c)
    for (int64_t y = 0; y < net.height; ++y)
      for (int64_t x = 0; x < net.width; ++x)
        element(out, 4 * c + 2 * (y % 2) + x % 2, y / 2, x / 2) = net.at(c, y, x);
  return out;
}

plain_image unfold(const plain_image& folded) {
  auto out = empty(folded.channels / 4, folded.height * 2, folded.width * 2);
  for (int64_t c = 0; c < out.channels; ++c)
    for (int64_t y = 0; y < out.height; ++y)
      for (int64_t x = 0; x < out.width; ++x)
        element(out, c, y, x) = folded.at(4 * c + 2 * (y % 2) + x % 2, y / 2, x / 2);
  return out;
}

void write_joined(const tiny_autoencoder& net, const std::filesystem::path& path,
                  const std::vector<named_tensor>& more) {
  auto tensors = more;
  for (auto& x : net.encoder)
    tensors.push_back({"taesd_encoder." + x.name, x.tensor});
  for (auto& x : net.decoder)
    tensors.push_back({"taesd_decoder." + x.name, x.tensor});
  write_text(path, write_safetensors(tensors));
}

void write_half(const std::vector<named_tensor>& half, const std::filesystem::path& path) {
  write_text(path, write_safetensors(half));
}

plain_image pixels_of(const tensor_block& pixels) {
  auto& shape = pixels.shape();
  auto out = empty(shape[3], shape[1], shape[2]);
  auto values = pixels.as<float>();
  for (int64_t y = 0; y < out.height; ++y)
    for (int64_t x = 0; x < out.width; ++x)
      for (int64_t c = 0; c < out.channels; ++c)
        element(out, c, y, x) = values[static_cast<size_t>((y * out.width + x) * out.channels + c)];
  return out;
}

plain_image latent_of(const tensor_block& latents) {
  auto& shape = latents.shape();
  auto out = empty(shape[1], shape[2], shape[3]);
  auto values = latents.as<float>();
  std::copy_n(values.begin(), out.values.size(), out.values.begin());
  return out;
}

tensor_block block_of_pixels(const plain_image& image) {
  std::vector<float> values;
  for (int64_t y = 0; y < image.height; ++y)
    for (int64_t x = 0; x < image.width; ++x)
      for (int64_t c = 0; c < image.channels; ++c)
        values.push_back(static_cast<float>(image.at(c, y, x)));
  return floats({1, image.height, image.width, image.channels}, values);
}

tensor_block block_of_latent(const plain_image& latent) {
  std::vector<float> values(latent.values.begin(), latent.values.end());
  return floats({1, latent.channels, latent.height, latent.width}, values);
}

} // namespace luna::test
