// The autoencoder of the KL family: SD1.5, SD2, SDXL and all that kept their layout. Latents are
// the posterior's mean, unscaled: factors belong to the sampler.
#include <ATen/ops/empty.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/device_cuda.hpp"
#include "models/family.hpp"
#include "models/text/attention.hpp"
#include "models/vae/kl_layers.hpp"
#include "models/vae/kl_layout.hpp"
#include "models/vae/vae_job.hpp"
#include "models/vae/vae_net.hpp"
#include "models/weights/tensors.hpp"

namespace luna::models {

namespace {

/// One step of a half, loaded.
class layer {
public:
  virtual ~layer() = default;

  /// @param x given away: the result may lie in its memory.
  virtual at::Tensor run(at::Tensor x, const run_context& context) const = 0;
};

template <class Function>
class layer_of : public layer {
public:
  explicit layer_of(Function function) : function_(std::move(function)) {}

  at::Tensor run(at::Tensor x, const run_context&) const override {
    return function_(std::move(x));
  }

private:
  Function function_;
};

template <class Function>
std::unique_ptr<layer> make_layer(Function function) {
  return std::make_unique<layer_of<Function>>(std::move(function));
}

/// Attention of all places to all places, one head.
class attention_layer : public layer {
public:
  group_norm norm;
  convolution q;
  convolution k;
  convolution v;
  convolution out;

  at::Tensor run(at::Tensor x, const run_context& context) const override {
    auto inner = norm(x);
    auto places = [](const at::Tensor& plane) {
      return plane.permute({0, 2, 3, 1}).reshape({1, 1, -1, plane.size(1)});
    };
    auto seen =
      attention(places(q(inner)), places(k(inner)), places(v(inner)), false, context.mode());
    inner = seen.view({1, x.size(2), x.size(3), x.size(1)}).permute({0, 3, 1, 2});
    return x.add_(out(inner));
  }
};

class autoencoder_kl : public vae_net {
public:
  autoencoder_kl(const model_facts& facts, at::Device device)
    : weight_bytes_announced_(facts.weight_bytes),
      type_(device.is_cuda() && has_bf16(device.index()) ? at::kBFloat16 : at::kFloat),
      memory_(device, 2 * facts.weight_bytes) {} // four kernels of 2x2 are more than one of 3x3

  result<void> load(const checkpoint& file, const run_context& context);

  at::Device device() const override { return memory_.device(); }
  uint64_t weight_bytes() const override { return memory_.bytes(); }

  uint64_t ticks(vae_direction direction) const override {
    return direction == vae_direction::encode ? encoder_.size() : decoder_.size();
  }

  result<at::Tensor> encode(const at::Tensor& pixels, ticker& ticker) const override;
  result<at::Tensor> decode(const at::Tensor& latents, ticker& ticker) const override;

private:
  using layers = std::vector<std::unique_ptr<layer>>;

  /// What loading of one step needs.
  struct source {
    const checkpoint& file;
    const kl_shape& shape;
    weight_reader& reader;

    std::string name(const std::string& ldm) const;
  };

  result<convolution> load_convolution(const source& from, const std::string& name,
                                       std::array<int64_t, 3> shape, convolution::options how = {});
  result<group_norm> load_norm(const source& from, const std::string& name);
  result<normed_convolution> load_normed(const source& from, const std::string& norm,
                                         const std::string& name, int64_t out, int64_t in);
  result<std::unique_ptr<layer>> load_block(const source& from, const kl_step& step);
  result<std::unique_ptr<layer>> load_attention(const source& from, const kl_step& step);
  result<std::unique_ptr<layer>> load_step(const source& from, const kl_step& step);
  result<layers> load_half(const source& from, const std::vector<kl_step>& steps);
  result<at::Tensor> run(const layers& half, at::Tensor x, ticker& ticker) const;

  uint64_t weight_bytes_announced_;
  at::ScalarType type_;  ///< of weights and activations
  weight_memory memory_; // before the tensors that lie in it
  int64_t latent_channels_ = 0;
  layers encoder_;
  layers decoder_;
};

// -- loading --------------------------------------------------------------------------------------

/// The name of a module in the file, from LDM's.
std::string autoencoder_kl::source::name(const std::string& ldm) const {
  constexpr std::string_view weight = ".weight";
  auto full = kl_name(file, shape, ldm + std::string{weight});
  return full.substr(0, full.size() - weight.size());
}

/// @param shape rows, columns, side of the kernel.
result<convolution> autoencoder_kl::load_convolution(const source& from, const std::string& name,
                                                     std::array<int64_t, 3> shape,
                                                     convolution::options how) {
  return convolution::load(from.name(name), from.reader, memory_,
                           {shape[0], shape[1], shape[2], shape[2]}, type_, how);
}

result<group_norm> autoencoder_kl::load_norm(const source& from, const std::string& name) {
  return group_norm::load(from.name(name), from.reader, memory_, type_);
}

result<normed_convolution> autoencoder_kl::load_normed(const source& from, const std::string& norm,
                                                       const std::string& name, int64_t out,
                                                       int64_t in) {
  auto first = load_norm(from, norm);
  if (!first)
    return fail(first);
  auto second = load_convolution(from, name, {out, in, 3});
  if (!second)
    return fail(second);
  return normed_convolution{*first, *second};
}

result<std::unique_ptr<layer>> autoencoder_kl::load_block(const source& from, const kl_step& step) {
  kl_block block;
  auto first = load_normed(from, step.name + ".norm1", step.name + ".conv1", step.out, step.in);
  if (!first)
    return fail(first);
  auto second = load_normed(from, step.name + ".norm2", step.name + ".conv2", step.out, step.out);
  if (!second)
    return fail(second);
  block.first = *first;
  block.second = *second;
  if (step.in != step.out) {
    auto shortcut = load_convolution(from, step.name + ".nin_shortcut", {step.out, step.in, 1});
    if (!shortcut)
      return fail(shortcut);
    block.shortcut = *shortcut;
  }
  return make_layer(std::move(block));
}

result<std::unique_ptr<layer>> autoencoder_kl::load_attention(const source& from,
                                                              const kl_step& step) {
  auto made = std::make_unique<attention_layer>();
  auto norm = load_norm(from, step.name + ".norm");
  if (!norm)
    return fail(norm);
  made->norm = *norm;
  for (auto [target, part] :
       {std::pair{&made->q, ".q"}, {&made->k, ".k"}, {&made->v, ".v"}, {&made->out, ".proj_out"}}) {
    auto loaded = load_convolution(from, step.name + part, {step.in, step.in, 1});
    if (!loaded)
      return fail(loaded);
    *target = *loaded;
  }
  return made;
}

result<std::unique_ptr<layer>> autoencoder_kl::load_step(const source& from, const kl_step& step) {
  auto ready = [](auto loaded) -> result<std::unique_ptr<layer>> {
    if (!loaded)
      return fail(loaded);
    return make_layer(std::move(*loaded));
  };
  using what = kl_step::what;
  switch (step.kind) {
  case what::block:
    return load_block(from, step);
  case what::attention:
    return load_attention(from, step);
  case what::halve: {
    auto conv = load_convolution(from, step.name + ".conv", {step.out, step.in, 3}, {2, 0});
    if (!conv)
      return fail(conv);
    return make_layer(halving_convolution{*conv});
  }
  case what::double_up:
    return ready(doubling_convolution::load(from.name(step.name + ".conv"), from.reader, memory_,
                                            step.in, type_));
  case what::last:
    return ready(
      load_normed(from, step.name + ".norm_out", step.name + ".conv_out", step.out, step.in));
  default:
    return ready(load_convolution(from, step.name, {step.out, step.in, step.side}));
  }
}

result<autoencoder_kl::layers> autoencoder_kl::load_half(const source& from,
                                                         const std::vector<kl_step>& steps) {
  layers half;
  for (auto& step : steps) {
    auto loaded = load_step(from, step);
    if (!loaded)
      return fail(loaded);
    half.push_back(std::move(*loaded));
  }
  return half;
}

result<void> autoencoder_kl::load(const checkpoint& file, const run_context& context) {
  auto shape = shape_of_kl(file);
  if (!shape)
    return fail(shape);
  latent_channels_ = shape->latent_channels;
  weight_reader reader{file, context, weight_bytes_announced_, false};
  source from{file, *shape, reader};
  auto encoder = load_half(from, kl_encoder_steps(*shape));
  if (!encoder)
    return fail(encoder);
  encoder_ = std::move(*encoder);
  auto decoder = load_half(from, kl_decoder_steps(*shape));
  if (!decoder)
    return fail(decoder);
  decoder_ = std::move(*decoder);
  return file.check_unchanged();
}

// -- running --------------------------------------------------------------------------------------

result<at::Tensor> autoencoder_kl::run(const layers& half, at::Tensor x, ticker& ticker) const {
  // The net's number type last, as ComfyUI has it: what comes before and after is fp32.
  x = x.to(type_).contiguous(at::MemoryFormat::ChannelsLast);
  for (auto& layer : half) {
    x = layer->run(std::move(x), ticker.context());
    if (!ticker.tick())
      return cancelled();
  }
  return x.to(at::kFloat);
}

result<at::Tensor> autoencoder_kl::encode(const at::Tensor& pixels, ticker& ticker) const {
  auto moments = run(encoder_, pixels.mul(2.0).sub_(1.0), ticker);
  if (!moments)
    return moments;
  return moments->narrow(1, 0, latent_channels_).contiguous();
}

result<at::Tensor> autoencoder_kl::decode(const at::Tensor& latents, ticker& ticker) const {
  auto image = run(decoder_, latents, ticker);
  if (!image)
    return image;
  return image->add_(1.0).div_(2.0);
}

/// At full resolution a block holds its input, a convolution's input and its result, all of the
/// body's width in fp32. The decoder's first block there is twice as wide at its input: on a CPU,
/// in strips, it holds four planes (the encoder two), on a GPU five (three).
uint64_t net_bytes(const model_facts& facts, vae_direction direction, int64_t height,
                   int64_t width) {
  auto channels = std::any_cast<kl_facts>(&facts.own)->width;
  auto planes = direction == vae_direction::decode ? 5U : 3U;
  return bytes_at_full_size(facts, direction, height, width, channels, planes);
}

constexpr vae_family as_vae{.net_bytes = net_bytes};

} // namespace

const family kl_family{.describe = describe_kl, .load = load_vae<autoencoder_kl>, .vae = &as_vae};

} // namespace luna::models
