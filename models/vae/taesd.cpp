// Tiny autoencoders: TAESD, TAESDXL, TAESD3, TAEF1, and TAEF2 with its group-normalised bottleneck.
// Layout: https://github.com/madebyollin/taesd (MIT), read for the structure.
#include <ATen/Context.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/pixel_shuffle.h>
#include <ATen/ops/pixel_unshuffle.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <ATen/ops/zeros.h>

#include <optional>
#include <string>
#include <vector>

#include "models/device_cuda.hpp"
#include "models/family.hpp"
#include "models/vae/convolution.hpp"
#include "models/vae/taesd_layout.hpp"
#include "models/vae/vae_job.hpp"
#include "models/vae/vae_net.hpp"
#include "models/weights/tensors.hpp"
#include "models/weights/weight_memory.hpp"

namespace luna::models {

namespace {

constexpr int64_t norm_groups = 4;
constexpr double norm_epsilon = 1e-5;
constexpr double latent_bound = 3.0; ///< the decoder squeezes latents into -3 .. 3

/// TAEF2: x + conv1x1(relu(norm(conv1x1(x)))), four times as wide inside.
struct bottleneck {
  convolution widen;
  at::Tensor norm_weight;
  at::Tensor norm_bias;
  convolution narrow;

  at::Tensor operator()(const at::Tensor& x) const {
    auto inner = at::group_norm(widen(x), norm_groups, norm_weight, norm_bias, norm_epsilon);
    return narrow(inner.relu_()).add_(x);
  }
};

struct residual_block {
  std::optional<bottleneck> before;
  convolution first;
  convolution second;
  convolution third;

  at::Tensor operator()(at::Tensor x) const {
    if (before)
      x = (*before)(x);
    // One statement each: a temporary of a longer one would live to its end, a whole plane more.
    auto y = first(x, true);
    y = second(y, true);
    y = third(y);
    return y.add_(x).relu_();
  }
};

struct step {
  taesd_step plan;
  convolution conv;
  residual_block block;

  at::Tensor operator()(at::Tensor x) const {
    if (plan.kind == taesd_step::what::block)
      return block(std::move(x));
    if (plan.double_up)
      x = at::upsample_nearest2d(x, {x.size(2) * 2, x.size(3) * 2});
    return conv(x, plan.relu);
  }
};

class taesd : public vae_net {
public:
  taesd(const model_facts& facts, at::Device device)
    : facts_(facts), own_(*std::any_cast<taesd_facts>(&facts.own)),
      type_(device.is_cuda() && has_bf16(device.index()) ? at::kBFloat16 : at::kFloat),
      memory_(device, facts.weight_bytes) {}

  result<void> load(const checkpoint& file, const run_context& context);

  at::Device device() const override { return memory_.device(); }
  uint64_t weight_bytes() const override { return memory_.bytes(); }

  uint64_t ticks(vae_direction direction) const override {
    return direction == vae_direction::encode ? encoder_.size() : decoder_.size();
  }

  result<at::Tensor> encode(const at::Tensor& pixels, ticker& ticker) const override;
  result<at::Tensor> decode(const at::Tensor& latents, ticker& ticker) const override;

private:
  result<convolution> load_convolution(const std::string& name, weight_reader& reader,
                                       std::array<int64_t, 3> shape, int64_t stride = 1);
  result<bottleneck> load_bottleneck(const std::string& name, weight_reader& reader);
  result<residual_block> load_block(const std::string& name, weight_reader& reader);
  result<std::vector<step>> load_half(const std::string& prefix, std::span<const taesd_step> plans,
                                      int64_t first, int64_t last, weight_reader& reader);
  result<void> load_range(const checkpoint& file, weight_reader& reader);
  result<at::Tensor> run(const std::vector<step>& steps, at::Tensor x, ticker& ticker) const;

  model_facts facts_;
  taesd_facts own_;
  at::ScalarType type_;  ///< of weights and activations
  weight_memory memory_; // before the tensors that lie in it
  taesd_range range_;
  std::vector<step> encoder_;
  std::vector<step> decoder_;
};

// -- loading
// ---------------------------------------------------------------------------------------

/// @param shape rows, columns, side of the kernel.
result<convolution> taesd::load_convolution(const std::string& name, weight_reader& reader,
                                            std::array<int64_t, 3> shape, int64_t stride) {
  return convolution::load(name, reader, memory_, {shape[0], shape[1], shape[2], shape[2]}, type_,
                           {stride, -1});
}

result<bottleneck> taesd::load_bottleneck(const std::string& name, weight_reader& reader) {
  int64_t width = own_.width;
  auto widen = load_convolution(name + ".0", reader, {4 * width, width, 1});
  auto weight = widen ? reader.load(name + ".1.weight", memory_, type_) : fail(widen);
  auto bias = weight ? reader.load(name + ".1.bias", memory_, type_) : fail(weight);
  auto narrow = bias ? load_convolution(name + ".3", reader, {width, 4 * width, 1}) : fail(bias);
  if (!narrow)
    return fail(narrow);
  return bottleneck{std::move(*widen), *weight, *bias, std::move(*narrow)};
}

result<residual_block> taesd::load_block(const std::string& name, weight_reader& reader) {
  int64_t width = own_.width;
  residual_block made;
  if (reader.has(name + ".pool.0.weight")) {
    auto pool = load_bottleneck(name + ".pool", reader);
    if (!pool)
      return fail(pool);
    made.before = std::move(*pool);
  }
  for (auto [target, part] :
       {std::pair{&made.first, ".conv.0"}, {&made.second, ".conv.2"}, {&made.third, ".conv.4"}}) {
    auto loaded = load_convolution(name + part, reader, {width, width, 3});
    if (!loaded)
      return fail(loaded);
    *target = std::move(*loaded);
  }
  return made;
}

result<std::vector<step>> taesd::load_half(const std::string& prefix,
                                           std::span<const taesd_step> plans, int64_t first,
                                           int64_t last, weight_reader& reader) {
  int64_t width = own_.width;
  std::vector<step> steps;
  for (auto& plan : plans) {
    auto name = prefix + std::to_string(plan.index);
    step made;
    made.plan = plan;
    if (plan.kind == taesd_step::what::block) {
      auto block = load_block(name, reader);
      if (!block)
        return fail(block);
      made.block = std::move(*block);
    } else {
      auto rows = &plan == &plans.back() ? last : width;
      auto columns = &plan == &plans.front() ? first : width;
      auto loaded = load_convolution(name, reader, {rows, columns, 3}, plan.halve ? 2 : 1);
      if (!loaded)
        return fail(loaded);
      made.conv = std::move(*loaded);
    }
    steps.push_back(std::move(made));
  }
  return steps;
}

/// A joined file may carry its range; a pair's follows from its name.
result<void> taesd::load_range(const checkpoint& file, weight_reader& reader) {
  if (file.is_pair())
    range_ = taesd_range_of(file.stem());
  for (auto [name, target] :
       {std::pair{"vae_scale", &range_.scale}, {"vae_shift", &range_.shift}}) {
    auto* entry = file.find(name);
    if (entry == nullptr || element_count(entry->shape) != uint64_t{1})
      continue;
    auto value = at::zeros(entry->shape, at::TensorOptions{}.dtype(at::kFloat));
    if (auto ok = reader.read(name, value); !ok)
      return ok;
    *target = static_cast<double>(*value.const_data_ptr<float>());
  }
  return {};
}

result<void> taesd::load(const checkpoint& file, const run_context& context) {
  weight_reader reader{file, context, facts_.weight_bytes, false};
  int64_t channels = own_.channels;
  if (auto ok = load_range(file, reader); !ok)
    return ok;
  auto encoder = load_half("taesd_encoder.", taesd_encoder_steps(), 3, channels, reader);
  if (!encoder)
    return fail(encoder);
  encoder_ = std::move(*encoder);
  auto decoder = load_half("taesd_decoder.", taesd_decoder_steps(), channels, 3, reader);
  if (!decoder)
    return fail(decoder);
  decoder_ = std::move(*decoder);
  return file.check_unchanged();
}

// -- running
// ---------------------------------------------------------------------------------------

result<at::Tensor> taesd::run(const std::vector<step>& steps, at::Tensor x, ticker& ticker) const {
  x = x.to(type_).contiguous(at::MemoryFormat::ChannelsLast);
  for (auto& step : steps) {
    x = step(std::move(x));
    if (!ticker.tick())
      return cancelled();
  }
  return x.to(at::kFloat);
}

result<at::Tensor> taesd::encode(const at::Tensor& pixels, ticker& ticker) const {
  auto latents = run(encoder_, pixels, ticker);
  if (!latents)
    return latents;
  auto x = *latents;
  if (own_.fold > 1)
    x = at::pixel_unshuffle(x, own_.fold);
  return x.div(range_.scale).add_(range_.shift).contiguous();
}

result<at::Tensor> taesd::decode(const at::Tensor& latents, ticker& ticker) const {
  auto x = latents.sub(range_.shift).mul_(range_.scale);
  if (own_.fold > 1)
    x = at::pixel_shuffle(x, own_.fold);
  return run(decoder_, at::tanh(x.div_(latent_bound)).mul_(latent_bound), ticker);
}

/// At full resolution a block holds its input, a convolution's input and its result, all of the
/// body's width in fp32 (measured: 3.0 to 3.1 planes).
uint64_t net_bytes(const model_facts& facts, vae_direction direction, int64_t height,
                   int64_t width) {
  auto channels = std::any_cast<taesd_facts>(&facts.own)->width;
  return bytes_at_full_size(facts, direction, height, width, channels, 3);
}

constexpr vae_family as_vae{.net_bytes = net_bytes};

} // namespace

const family taesd_family{.describe = describe_taesd, .load = load_vae<taesd>, .vae = &as_vae};

} // namespace luna::models
