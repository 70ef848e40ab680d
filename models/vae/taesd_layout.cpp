#include "models/vae/taesd_layout.hpp"

#include <array>
#include <vector>

#include "models/weights/quantisation.hpp"

namespace luna::models {

namespace {

using what = taesd_step::what;

constexpr std::array<taesd_step, 15> encoder{{
  {what::convolution, 0},
  {what::block, 1},
  {what::convolution, 2, true},
  {what::block, 3},
  {what::block, 4},
  {what::block, 5},
  {what::convolution, 6, true},
  {what::block, 7},
  {what::block, 8},
  {what::block, 9},
  {what::convolution, 10, true},
  {what::block, 11},
  {what::block, 12},
  {what::block, 13},
  {what::convolution, 14},
}};

constexpr std::array<taesd_step, 15> decoder{{
  {what::convolution, 1, false, false, true},
  {what::block, 3},
  {what::block, 4},
  {what::block, 5},
  {what::convolution, 7, false, true},
  {what::block, 8},
  {what::block, 9},
  {what::block, 10},
  {what::convolution, 12, false, true},
  {what::block, 13},
  {what::block, 14},
  {what::block, 15},
  {what::convolution, 17, false, true},
  {what::block, 18},
  {what::convolution, 19},
}};

/// Names of ComfyUI's pairs with the factors of their latent format.
struct known_pair {
  std::string_view name;
  taesd_range range;
};

// The longer name first: "taesd" begins all of the first three.
constexpr std::array<known_pair, 5> known{{
  {"taesdxl", {0.13025, 0.0}},
  {"taesd3", {1.5305, 0.0609}},
  {"taesd", {0.18215, 0.0}},
  {"taef1", {0.3611, 0.1159}},
  {"taef2", {1.0, 0.0}},
}};

const known_pair* find_pair(std::string_view stem) {
  for (auto& pair : known)
    if (stem.substr(0, pair.name.size()) == pair.name)
      return &pair;
  return nullptr;
}

/// Counts and checks tensors of one half.
class checker {
public:
  checker(const checkpoint& file, std::string_view prefix, model_facts& facts)
    : file_(file), prefix_(prefix), facts_(facts) {}

  result<void> operator()(const std::string& name, std::vector<int64_t> shape) {
    auto full = prefix_ + name;
    if (auto ok = file_.expect(full, shape); !ok)
      return fail(ok);
    facts_.weight_keys.push_back(full);
    facts_.weight_bytes += 4 * *element_count(shape);
    return {};
  }

  /// @param biased false: a bias may be there.
  result<void> convolution(const std::string& name, int64_t rows, int64_t columns,
                           bool biased = true) {
    if (auto ok = (*this)(name + ".weight", {rows, columns, 3, 3}); !ok)
      return ok;
    if (!biased && !file_.has(prefix_ + name + ".bias"))
      return {};
    return (*this)(name + ".bias", {rows});
  }

  /// @param pooled whether it needs TAEF2's bottleneck; else it may have one.
  result<void> block(const std::string& name, int64_t width, bool pooled) {
    for (auto part : {".conv.0", ".conv.2", ".conv.4"})
      if (auto ok = convolution(name + part, width, width); !ok)
        return ok;
    if (!pooled && !file_.has_prefix(prefix_ + name + ".pool."))
      return {};
    // A 1x1 bottleneck with group normalisation before the block.
    for (auto& [part, shape] : std::array<std::pair<const char*, std::vector<int64_t>>, 4>{{
           {".pool.0.weight", {4 * width, width, 1, 1}},
           {".pool.1.weight", {4 * width}},
           {".pool.1.bias", {4 * width}},
           {".pool.3.weight", {width, 4 * width, 1, 1}},
         }})
      if (auto ok = (*this)(name + part, shape); !ok)
        return ok;
    return {};
  }

private:
  const checkpoint& file_;
  std::string prefix_;
  model_facts& facts_;
};

result<void> check_half(checker check, std::span<const taesd_step> steps, int64_t first,
                        int64_t width, int64_t last) {
  for (auto& step : steps) {
    auto name = std::to_string(step.index);
    auto resizes = step.halve || step.double_up;
    // TAEF2's net, of 32 channels, has bottlenecks in the blocks next to the latents.
    auto pooled = first == 32 ? step.index <= 5 : last == 32 && step.index >= 11;
    auto columns = &step == &steps.front() ? first : width;
    auto rows = &step == &steps.back() ? last : width;
    auto ok = step.kind == what::block ? check.block(name, width, pooled)
                                       : check.convolution(name, rows, columns, !resizes);
    if (!ok)
      return ok;
  }
  return {};
}

} // namespace

std::span<const taesd_step> taesd_encoder_steps() {
  return encoder;
}

std::span<const taesd_step> taesd_decoder_steps() {
  return decoder;
}

taesd_range taesd_range_of(std::string_view stem) {
  auto* pair = find_pair(stem);
  return pair == nullptr ? taesd_range{} : pair->range;
}

bool is_taesd(const checkpoint& file) {
  return file.has_prefix("taesd_encoder.") && file.has_prefix("taesd_decoder.");
}

result<model_facts> describe_taesd(std::span<const checkpoint> files, std::string_view) {
  auto& file = files.front();
  for (auto prefix : {"taesd_encoder.", "taesd_decoder."})
    if (auto ok = check_not_quantised(file, prefix, "VAE"); !ok)
      return fail(ok);
  if (auto ok = file.require("taesd_decoder.1.weight"); !ok)
    return fail(ok);
  auto* first = file.find("taesd_decoder.1.weight");
  if (first->shape.size() != 4)
    return fail(ec::bad_model_file, "the model file " + file.title()
                                      + " is broken: 'taesd_decoder.1.weight' has the shape "
                                      + format_shape(first->shape));
  auto width = first->shape[0];
  auto channels = first->shape[1];
  if (width <= 0 || width > 4096 || (channels != 4 && channels != 16 && channels != 32))
    return fail(ec::unsupported_model, "the tiny autoencoder in " + file.title() + " has "
                                         + std::to_string(channels)
                                         + " latent channels; 4, 16 and"
                                           " 32 (TAEF2) are served");
  // FLUX.2's latents hold 2x2 of the net's pixels in their channels.
  auto fold = channels == 32 ? 2 : 1;
  model_facts facts;
  facts.kind = model_kind::vae;
  auto* pair = find_pair(file.stem());
  facts.family = fold == 2 ? "taef2" : pair != nullptr ? std::string{pair->name} : "taesd";
  facts.latent_channels = static_cast<int>(channels) * fold * fold;
  facts.latent_dim = 2;
  facts.downscale_ratio = 8 * fold;
  facts.upscale_ratio = 8 * fold;
  facts.output_channels = 3;
  facts.own = taesd_facts{static_cast<int>(width), static_cast<int>(channels), fold};
  if (auto ok = check_half({file, "taesd_encoder.", facts}, encoder, 3, width, channels); !ok)
    return fail(ok);
  if (auto ok = check_half({file, "taesd_decoder.", facts}, decoder, channels, width, 3); !ok)
    return fail(ok);
  return facts;
}

} // namespace luna::models
