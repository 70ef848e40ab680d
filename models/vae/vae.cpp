#include "models/vae/vae.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <optional>
#include <string>
#include <utility>

#include "base/non_finite.hpp"
#include "models/device.hpp"
#include "models/vae/tiling.hpp"
#include "models/vae/vae_job.hpp"
#include "models/vae/vae_net.hpp"
#include "models/weights/tensors.hpp"

namespace luna::models {

namespace {

/// Cuts `size` down to a multiple of `unit`, as much from both ends.
at::Tensor crop(const at::Tensor& x, int64_t axis, int64_t unit) {
  auto rest = x.size(axis) % unit;
  return rest == 0 ? x : x.narrow(axis, rest / 2, x.size(axis) - rest);
}

/// Tells of values that are NaN or infinite: `broken` of the `all` values of a result, or else
/// `given` ones that came in. An activation may have made a finite number of those.
std::optional<warning> not_finite(vae_direction direction, uint64_t given, uint64_t broken,
                                  int64_t all) {
  if (given + broken == 0)
    return std::nullopt;
  auto decode = direction == vae_direction::decode;
  std::string text;
  if (broken > 0)
    text = std::to_string(broken) + " of the " + std::to_string(all) + " values of the "
         + (decode ? "images" : "latents") + " are NaN or infinite: ";
  if (given > 0)
    text += std::to_string(given) + " values of the " + (decode ? "latents" : "pixels")
          + " that came in are NaN or infinite"
          + (decode ? ", usually from an overflow of fp16 in the sampler" : "");
  else
    text += decode ? "usually this VAE does not belong to the model that made the latents"
                   : "usually the VAE's file is damaged or was made in fp16 and overflowed";
  return warning{"non_finite", std::move(text), broken > 0 ? broken : given};
}

class vae_of_net : public vae {
public:
  vae_of_net(const model_facts& facts, std::unique_ptr<vae_net> net)
    : vae(facts), net_(std::move(net)) {}

  uint64_t weight_bytes() const noexcept override { return net_->weight_bytes(); }

  std::vector<result<vae_output>> encode(std::span<const vae_job> jobs,
                                         const run_context& context) override {
    return run(vae_direction::encode, jobs, context);
  }

  std::vector<result<vae_output>> decode(std::span<const vae_job> jobs,
                                         const run_context& context) override {
    return run(vae_direction::decode, jobs, context);
  }

private:
  /// Jobs run one after another, and a job's images too: what else is in the batch cannot change
  /// an image, and memory is that of one.
  std::vector<result<vae_output>> run(vae_direction direction, std::span<const vae_job> jobs,
                                      const run_context& context) {
    std::vector<result<vae_output>> answers;
    for (auto& job : jobs)
      answers.push_back(run_job(direction, job, context));
    return answers;
  }

  result<vae_output> run_job(vae_direction direction, const vae_job& job,
                             const run_context& context) {
    if (auto ok = check_vae_job(facts(), direction, job); !ok)
      return fail(ok);
    if (context.stopped())
      return cancelled();
    auto plane = plane_of(direction, job.input.shape());
    auto need = net_working_bytes(facts(), direction, plane.height, plane.width);
    auto mode = job.tiling.mode;
    auto small = context.working_bytes == 0 || need <= context.working_bytes;
    if (mode == tiling_mode::off || (mode == tiling_mode::automatic && small)) {
      auto whole = guarded([&] { return compute(direction, job, false, context); });
      auto again = !whole && whole.error().code == ec::out_of_memory && context.last_try;
      if (mode == tiling_mode::off || !again)
        return whole;
      auto cut = guarded([&] { return compute(direction, job, true, context); });
      if (cut)
        cut->warnings.push_back(
          {"tiled", "memory ran out for the image as a whole: it was computed in tiles"});
      return cut;
    }
    return guarded([&] { return compute(direction, job, true, context); });
  }

  /// [1, c, H, W] fp32 on the net's device: image `index` of a job's input.
  at::Tensor take_image(vae_direction direction, const tensor_block& input, int64_t index) const {
    auto x = view_of(input);
    if (direction == vae_direction::decode) {
      x = x.narrow(0, index, 1);
      if (x.dim() == 5)
        x = x.select(2, 0);
      return x.to(net_->device(), at::kFloat);
    }
    if (x.dim() == 3)
      x = x.unsqueeze(0);
    x = x.narrow(0, index, 1).narrow(3, 0, 3);
    x = crop(crop(x, 1, facts().downscale_ratio), 2, facts().downscale_ratio);
    auto bytes = x.scalar_type() == at::kByte;
    x = x.to(net_->device(), at::kFloat);
    return (bytes ? x.div(255.0) : x).permute({0, 3, 1, 2});
  }

  /// Writes a result [1, c, H, W] into its place of the answer: decode also clamps and turns
  /// channels last. @returns how many values are not finite; clamped, infinities would not show.
  static uint64_t put_image(vae_direction direction, const at::Tensor& out,
                            const at::Tensor& image) {
    auto decode = direction == vae_direction::decode;
    out.copy_(decode ? image.squeeze(0).permute({1, 2, 0}) : image.squeeze(0));
    auto broken = count_non_finite(
      dtype::f32, {static_cast<const std::byte*>(out.const_data_ptr()), out.nbytes()});
    if (decode)
      out.clamp_(0.0, 1.0);
    return broken;
  }

  result<vae_output> compute(vae_direction direction, const vae_job& job, bool tiled,
                             const run_context& context) {
    auto encode = direction == vae_direction::encode;
    auto tiling = resolve_tiling(facts(), direction, job.tiling);
    if (!tiling)
      return fail(tiling);
    auto shape = vae_output_shape(facts(), direction, job.input.shape());
    auto out = at::empty(shape, at::TensorOptions{}.dtype(at::kFloat));
    auto images = shape.front();
    auto plane = plane_of(direction, job.input.shape());
    auto unit = int64_t{encode ? facts().downscale_ratio : 1};
    auto tiles =
      tiled ? count_tiles(*tiling, plane.height / unit * unit, plane.width / unit * unit) : 0;
    auto steps = static_cast<uint64_t>(images) * (tiled ? tiles : net_->ticks(direction));
    ticker shown{context, tiled ? "tile" : encode ? "encode" : "decode", steps};
    ticker silent{context, "", 0};
    auto run = [&](const at::Tensor& x) {
      auto& inner = tiled ? silent : shown;
      return encode ? net_->encode(x, inner) : net_->decode(x, inner);
    };
    tiled_net net{run, encode ? 1 : facts().upscale_ratio, encode ? facts().downscale_ratio : 1,
                  encode ? facts().latent_channels : facts().output_channels};
    uint64_t broken = 0;
    for (int64_t i = 0; i < images; ++i) {
      auto image = take_image(direction, job.input, i);
      auto done = tiled ? run_tiled(net, image, *tiling, shown) : run(image);
      if (!done)
        return fail(done);
      broken += put_image(direction, out.select(0, i), *done);
    }
    vae_output output{
      block_of(out), tiled, static_cast<int>(tiles * static_cast<uint64_t>(images)), {}};
    if (auto told = not_finite(direction, count_non_finite(job.input), broken, out.numel()))
      output.warnings.push_back(std::move(*told));
    return output;
  }

  std::unique_ptr<vae_net> net_;
};

} // namespace

std::unique_ptr<vae> make_vae(const model_facts& facts, std::unique_ptr<vae_net> net) {
  return std::make_unique<vae_of_net>(facts, std::move(net));
}

} // namespace luna::models
