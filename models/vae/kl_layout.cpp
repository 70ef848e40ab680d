#include "models/vae/kl_layout.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "models/weights/quantisation.hpp"

namespace luna::models {

namespace {

using what = kl_step::what;

constexpr std::array<int64_t, 4> multiples{1, 2, 4, 4}; ///< of the width, by level
constexpr int last_level = 3;
constexpr int encoder_blocks = 2; ///< a level
constexpr int decoder_blocks = 3;
constexpr int64_t norm_groups = 32;
constexpr int64_t max_width = 4096;

/// "first_stage_model." in checkpoints of SD1.5 and SDXL, "vae." in some later ones.
constexpr std::array<std::string_view, 3> prefixes{"first_stage_model.", "vae.", ""};

/// Where the model lies, also if the one tensor that its kin have under another name is missing.
std::optional<std::string_view> prefix_of(const checkpoint& file) {
  for (auto prefix : prefixes) {
    std::string start{prefix};
    auto* first = file.find(start + "decoder.conv_in.weight");
    if (first != nullptr ? first->shape.size() == 4 : file.has(start + "decoder.conv_in.bias"))
      return prefix;
  }
  return std::nullopt;
}

failure broken(const checkpoint& file, const std::string& what) {
  return {ec::bad_model_file, "the model file " + file.title() + " is broken: " + what, 0, {}};
}

failure not_served(const checkpoint& file, const std::string& what) {
  return {ec::unsupported_model,
          file.title() + " holds " + what + ", which this build does not serve",
          0,
          {}};
}

std::vector<std::string_view> split(std::string_view name) {
  std::vector<std::string_view> words;
  for (;;) {
    auto dot = name.find('.');
    words.push_back(name.substr(0, dot));
    if (dot == std::string_view::npos)
      return words;
    name.remove_prefix(dot + 1);
  }
}

std::string join(const std::vector<std::string_view>& words, size_t from) {
  std::string text;
  for (auto i = from; i < words.size(); ++i)
    text.append(text.empty() ? "" : ".").append(words[i]);
  return text;
}

/// Diffusers counts the decoder's levels from the smallest.
std::string level_of(std::string_view half, std::string_view number) {
  auto level = number.front() - '0';
  return std::to_string(half == "decoder" ? last_level - level : level);
}

/// The attention's parts in diffusers; the second name is that of files from before 2023.
struct attention_part {
  std::string_view ours;
  std::string_view newer;
  std::string_view older;
};

constexpr std::array<attention_part, 5> attention_parts{{
  {"norm", "group_norm", "group_norm"},
  {"q", "to_q", "query"},
  {"k", "to_k", "key"},
  {"v", "to_v", "value"},
  {"proj_out", "to_out.0", "proj_attn"},
}};

std::string diffusers_name(const checkpoint& file, const std::string& prefix,
                           std::string_view name) {
  auto words = split(name);
  if (words.size() < 2)
    return prefix + std::string{name};
  auto half = prefix + std::string{words[0]};
  if (words[1] == "norm_out")
    return half + ".conv_norm_out." + join(words, 2);
  if (words[1] == "mid" && words[2] == "attn_1") {
    auto start = half + ".mid_block.attentions.0.";
    for (auto& part : attention_parts)
      if (part.ours == words[3]) {
        auto newer = start + std::string{part.newer} + "." + join(words, 4);
        auto older = start + std::string{part.older} + "." + join(words, 4);
        return file.has_prefix(start + std::string{part.older} + ".") ? older : newer;
      }
  }
  if (words[1] == "mid")
    return half + ".mid_block.resnets." + (words[2] == "block_1" ? "0." : "1.") + join(words, 3);
  if (words[1] != "down" && words[1] != "up")
    return prefix + std::string{name};
  auto level = half + "." + std::string{words[1]} + "_blocks." + level_of(words[0], words[2]) + ".";
  if (words[3] != "block")
    return level + std::string{words[3]} + "rs.0." + join(words, 4);
  auto part = words[5] == "nin_shortcut" ? "conv_shortcut." : std::string{words[5]} + ".";
  return level + "resnets." + std::string{words[4]} + "." + part + join(words, 6);
}

/// ComfyUI also reads the 1x1 convolutions at the latents under their halves' names.
std::string quantiser_name(const checkpoint& file, const std::string& prefix,
                           std::string_view name) {
  auto half = name.substr(0, 4) == "post" ? "decoder." : "encoder.";
  auto inside = prefix + half + std::string{name};
  return file.has(inside) ? inside : prefix + std::string{name};
}

void add_blocks(std::vector<kl_step>& steps, const std::string& level, int count, int64_t& in,
                int64_t out) {
  for (int j = 0; j < count; ++j) {
    steps.push_back({what::block, level + ".block." + std::to_string(j), in, out});
    in = out;
  }
}

void add_middle(std::vector<kl_step>& steps, const std::string& half, int64_t width) {
  steps.push_back({what::block, half + ".mid.block_1", width, width});
  steps.push_back({what::attention, half + ".mid.attn_1", width, width, 1});
  steps.push_back({what::block, half + ".mid.block_2", width, width});
}

/// Widths that 32 groups divide and that a real model may have.
bool is_width(int64_t width) {
  return width >= norm_groups && width <= max_width && width % norm_groups == 0;
}

bool is_channels(int64_t count) {
  return count >= 1 && count <= 256;
}

/// Sizes of the 1x1 convolutions, if the file has them.
result<void> read_quantiser(const checkpoint& file, kl_shape& shape) {
  auto* post = file.find(kl_name(file, shape, "post_quant_conv.weight"));
  for (auto name : {"post_quant_conv.bias", "quant_conv.weight", "quant_conv.bias"})
    if (post == nullptr && file.has(kl_name(file, shape, name)))
      return file.require(kl_name(file, shape, "post_quant_conv.weight"));
  shape.quantised = post != nullptr;
  shape.latent_channels = shape.net_channels;
  if (post == nullptr)
    return {};
  if (post->shape.size() != 4 || !is_channels(post->shape[1]))
    return tl::make_unexpected(
      broken(file, "'post_quant_conv.weight' has the shape " + format_shape(post->shape)));
  shape.latent_channels = post->shape[1];
  return {};
}

/// Relatives under the same names that would compute something else.
result<void> check_relatives(const checkpoint& file, const kl_shape& shape) {
  auto has = [&](std::string_view name) { return file.has(kl_name(file, shape, name)); };
  if (file.has(shape.prefix + "bn.running_mean"))
    return tl::make_unexpected(not_served(file, "the Flux2 autoencoder"));
  if (file.has(shape.prefix + "decoder.mid.block_1.mix_factor"))
    return tl::make_unexpected(not_served(file, "the autoencoder of Stable Video Diffusion"));
  if (!has("encoder.down.2.downsample.conv.weight") && !has("decoder.up.3.upsample.conv.weight"))
    return tl::make_unexpected(not_served(file, "the autoencoder of the x4 upscaler"));
  return {};
}

/// Counts and checks the tensors of a model.
class checker {
public:
  checker(const checkpoint& file, const kl_shape& shape, model_facts& facts)
    : file_(file), shape_(shape), facts_(facts) {}

  result<void> half(const std::vector<kl_step>& steps) {
    for (auto& step : steps)
      for (auto& tensor : tensors_of(step))
        if (auto ok = one(step, tensor); !ok)
          return ok;
    return {};
  }

  /// What lies beside the known tensors of the halves belongs to a net that computes otherwise.
  result<void> nothing_else() const {
    for (auto half : {"encoder.", "decoder."}) {
      auto start = shape_.prefix + half;
      for (auto i = file_.tensors().lower_bound(start);
           i != file_.tensors().end() && i->first.starts_with(start); ++i)
        if (known_.count(i->first) == 0)
          return tl::make_unexpected(
            not_served(file_, "an autoencoder with the tensor '" + i->first + "'"));
    }
    return {};
  }

private:
  result<void> one(const kl_step& step, const kl_tensor& tensor) {
    auto name = kl_name(file_, shape_, tensor.name);
    auto shape = tensor.shape;
    // Kernels of 1x1 may be matrices: diffusers writes the attention's so.
    auto* entry = file_.find(name);
    if (step.kind == what::attention && entry != nullptr && entry->shape.size() == 2
        && shape.size() == 4)
      shape.resize(2);
    if (auto ok = file_.expect(name, shape); !ok)
      return ok;
    known_.insert(name);
    facts_.weight_keys.push_back(tensor.name);
    auto elements = *element_count(shape);
    // Doubling and its 3x3 kernel become four 2x2 kernels.
    if (step.kind == what::double_up && shape.size() == 4)
      elements = elements / 9 * 16;
    facts_.weight_bytes += 4 * elements;
    return {};
  }

  const checkpoint& file_;
  const kl_shape& shape_;
  model_facts& facts_;
  std::set<std::string, std::less<>> known_;
};

} // namespace

bool is_kl(const checkpoint& file) {
  return prefix_of(file).has_value();
}

result<kl_shape> shape_of_kl(const checkpoint& file) {
  kl_shape shape;
  shape.prefix = prefix_of(file).value();
  shape.diffusers = file.has_prefix(shape.prefix + "decoder.up_blocks.");
  if (auto ok = file.require(shape.prefix + "decoder.conv_in.weight"); !ok)
    return fail(ok);
  if (auto ok = check_not_quantised(file, shape.prefix, "VAE"); !ok)
    return fail(ok);
  if (auto ok = check_relatives(file, shape); !ok)
    return fail(ok);
  auto* in = file.find(shape.prefix + "decoder.conv_in.weight");
  shape.net_channels = in->shape[1];
  shape.decoder_width = in->shape[0] / multiples.back();
  shape.encoder_width = file.rows(shape.prefix + "encoder.conv_in.weight");
  if (!file.has_prefix(shape.prefix + "encoder."))
    return tl::make_unexpected(not_served(file, "a decoder without its encoder"));
  if (auto ok = file.require(shape.prefix + "encoder.conv_in.weight"); !ok)
    return fail(ok);
  if (!is_width(shape.decoder_width) || in->shape[0] % multiples.back() != 0
      || !is_width(shape.encoder_width) || !is_channels(shape.net_channels))
    return tl::make_unexpected(broken(file, "'decoder.conv_in.weight' has the shape "
                                              + format_shape(in->shape)
                                              + " and 'encoder.conv_in.weight' has "
                                              + std::to_string(shape.encoder_width) + " rows"));
  if (auto ok = read_quantiser(file, shape); !ok)
    return fail(ok);
  return shape;
}

std::vector<kl_step> kl_encoder_steps(const kl_shape& shape) {
  std::vector<kl_step> steps;
  auto width = shape.encoder_width;
  steps.push_back({what::convolution, "encoder.conv_in", 3, width});
  for (int level = 0; level <= last_level; ++level) {
    auto name = "encoder.down." + std::to_string(level);
    add_blocks(steps, name, encoder_blocks, width,
               shape.encoder_width * multiples[static_cast<size_t>(level)]);
    if (level < last_level)
      steps.push_back({what::halve, name + ".downsample", width, width});
  }
  add_middle(steps, "encoder", width);
  steps.push_back({what::last, "encoder", width, 2 * shape.net_channels});
  if (shape.quantised)
    steps.push_back(
      {what::convolution, "quant_conv", 2 * shape.net_channels, 2 * shape.latent_channels, 1});
  return steps;
}

std::vector<kl_step> kl_decoder_steps(const kl_shape& shape) {
  std::vector<kl_step> steps;
  auto width = shape.decoder_width * multiples.back();
  if (shape.quantised)
    steps.push_back(
      {what::convolution, "post_quant_conv", shape.latent_channels, shape.net_channels, 1});
  steps.push_back({what::convolution, "decoder.conv_in", shape.net_channels, width});
  add_middle(steps, "decoder", width);
  for (int level = last_level; level >= 0; --level) {
    auto name = "decoder.up." + std::to_string(level);
    add_blocks(steps, name, decoder_blocks, width,
               shape.decoder_width * multiples[static_cast<size_t>(level)]);
    if (level > 0)
      steps.push_back({what::double_up, name + ".upsample", width, width});
  }
  steps.push_back({what::last, "decoder", width, 3});
  return steps;
}

std::vector<kl_tensor> tensors_of(const kl_step& step) {
  std::vector<kl_tensor> all;
  auto convolution = [&](const std::string& name, int64_t out, int64_t in, int64_t side) {
    all.push_back({name + ".weight", {out, in, side, side}});
    all.push_back({name + ".bias", {out}});
  };
  auto norm = [&](const std::string& name, int64_t channels) {
    all.push_back({name + ".weight", {channels}});
    all.push_back({name + ".bias", {channels}});
  };
  auto& name = step.name;
  switch (step.kind) {
  case what::convolution:
    convolution(name, step.out, step.in, step.side);
    break;
  case what::block:
    norm(name + ".norm1", step.in);
    convolution(name + ".conv1", step.out, step.in, 3);
    norm(name + ".norm2", step.out);
    convolution(name + ".conv2", step.out, step.out, 3);
    if (step.in != step.out)
      convolution(name + ".nin_shortcut", step.out, step.in, 1);
    break;
  case what::attention:
    norm(name + ".norm", step.in);
    for (auto part : {".q", ".k", ".v", ".proj_out"})
      convolution(name + part, step.in, step.in, 1);
    break;
  case what::halve:
  case what::double_up:
    convolution(name + ".conv", step.out, step.in, 3);
    break;
  case what::last:
    norm(name + ".norm_out", step.in);
    convolution(name + ".conv_out", step.out, step.in, 3);
    break;
  }
  return all;
}

std::string kl_name(const checkpoint& file, const kl_shape& shape, std::string_view name) {
  if (name.starts_with("quant_conv") || name.starts_with("post_quant_conv"))
    return quantiser_name(file, shape.prefix, name);
  return shape.diffusers ? diffusers_name(file, shape.prefix, name)
                         : shape.prefix + std::string{name};
}

result<model_facts> describe_kl(std::span<const checkpoint> files, std::string_view) {
  auto& file = files.front();
  auto shape = shape_of_kl(file);
  if (!shape)
    return fail(shape);
  model_facts facts;
  facts.kind = model_kind::vae;
  facts.family = "autoencoder_kl";
  facts.latent_channels = static_cast<int>(shape->latent_channels);
  facts.latent_dim = 2;
  facts.downscale_ratio = 1 << last_level;
  facts.upscale_ratio = 1 << last_level;
  facts.output_channels = 3;
  facts.own = kl_facts{static_cast<int>(std::max(shape->encoder_width, shape->decoder_width))};
  checker check{file, *shape, facts};
  if (auto ok = check.half(kl_encoder_steps(*shape)); !ok)
    return fail(ok);
  if (auto ok = check.half(kl_decoder_steps(*shape)); !ok)
    return fail(ok);
  if (auto ok = check.nothing_else(); !ok)
    return fail(ok);
  return facts;
}

} // namespace luna::models
