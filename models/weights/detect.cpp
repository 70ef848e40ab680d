#include "models/weights/detect.hpp"

#include <algorithm>
#include <array>

#include "models/text/clip_layout.hpp"
#include "models/vae/kl_layout.hpp"
#include "models/vae/taesd_layout.hpp"

namespace luna::models {

namespace {

/// One line of the table: how a family is recognised and, if this build serves it, described.
struct family {
  std::string_view name;
  bool (*matches)(const checkpoint&);
  result<model_facts> (*describe)(const checkpoint&) = nullptr;
};

result<model_facts> describe_one(const checkpoint& file) {
  return describe_clip({&file, 1});
}

// The order matters: it is ComfyUI's, checkpoints with prefixes first. A new family gets its
// `describe` here.
constexpr std::array<family, 31> text_families{{
  {"SDXL (clip_l + clip_g)", [](auto& f) { return f.has_prefix("conditioner.embedders.1.model."); },
   describe_one},
  {"the SDXL refiner (clip_g)",
   [](auto& f) { return f.numbered("conditioner.embedders.0.model.transformer.resblocks.") > 30; },
   describe_one},
  {"SD2 (clip_h)",
   [](auto& f) {
     return f.has_prefix("cond_stage_model.model.")
         || f.has_prefix("conditioner.embedders.0.model.");
   }},
  {"SD3 (clip_l, clip_g, t5xxl)", [](auto& f) { return f.has_prefix("text_encoders.clip_g."); }},
  {"FLUX (clip_l, t5xxl)", [](auto& f) { return f.has_prefix("text_encoders.t5xxl."); }},
  {"Qwen3 in a checkpoint", [](auto& f) { return f.has_prefix("text_encoders."); }},
  {"OpenCLIP's layout of a text tower",
   [](auto& f) { return f.has_prefix("transformer.resblocks."); }, describe_one},
  {"clip_l", [](auto& f) { return f.has_prefix("cond_stage_model.transformer."); }, describe_one},
  {"clip_g", [](auto& f) { return f.numbered("text_model.encoder.layers.") > 30; }, describe_one},
  {"clip_h", [](auto& f) { return f.numbered("text_model.encoder.layers.") > 22; }},
  {"clip_l", [](auto& f) { return f.has_prefix("text_model.encoder.layers."); }, describe_one},
  {"Jina CLIP", [](auto& f) { return f.has("model.encoder.layers.0.mixer.Wqkv.weight"); }},
  {"T5-XXL",
   [](auto& f) { return f.rows("encoder.block.23.layer.1.DenseReluDense.wi_1.weight") == 10240; }},
  {"T5-XL",
   [](auto& f) { return f.rows("encoder.block.23.layer.1.DenseReluDense.wi_1.weight") == 5120; }},
  {"T5 of 24 blocks",
   [](auto& f) { return f.has("encoder.block.23.layer.1.DenseReluDense.wi_1.weight"); }},
  {"the old T5-XXL",
   [](auto& f) { return f.has("encoder.block.23.layer.1.DenseReluDense.wi.weight"); }},
  {"ByT5", [](auto& f) { return f.rows("encoder.block.0.layer.0.SelfAttention.k.weight") == 384; }},
  {"T5-base", [](auto& f) { return f.has("encoder.block.0.layer.0.SelfAttention.k.weight"); }},
  {"Gemma", [](auto& f) { return f.has("model.layers.0.post_feedforward_layernorm.weight"); }},
  {"GPT-OSS", [](auto& f) { return f.has("model.layers.0.self_attn.sinks"); }},
  {"Qwen2.5-VL-3B", [](auto& f) { return f.rows("model.layers.0.self_attn.k_proj.bias") == 256; }},
  {"Qwen2.5-VL-7B", [](auto& f) { return f.rows("model.layers.0.self_attn.k_proj.bias") == 512; }},
  {"Qwen3.5", [](auto& f) { return f.has("model.layers.0.linear_attn.A_log"); }},
  {"Qwen3-VL", [](auto& f) { return f.has_prefix("model.visual.deepstack_merger_list."); }},
  {"Qwen3-4B",
   [](auto& f) {
     return f.has("model.layers.0.self_attn.q_norm.weight")
         && f.rows("model.layers.0.post_attention_layernorm.weight") == 2560;
   }},
  {"Qwen3-8B",
   [](auto& f) {
     return f.has("model.layers.0.self_attn.q_norm.weight")
         && f.rows("model.layers.0.post_attention_layernorm.weight") == 4096;
   }},
  {"Qwen3", [](auto& f) { return f.has("model.layers.0.self_attn.q_norm.weight"); }},
  {"Mistral 24B",
   [](auto& f) { return f.rows("model.layers.0.post_attention_layernorm.weight") == 5120; }},
  {"Ministral",
   [](auto& f) { return f.rows("model.layers.0.post_attention_layernorm.weight") == 3072; }},
  {"Llama 3", [](auto& f) { return f.has("model.layers.0.post_attention_layernorm.weight"); }},
  {"a vision encoder", [](auto& f) { return f.has_prefix("vision_model."); }},
}};

constexpr std::array<family, 7> vae_families{{
  {"taesd", is_taesd, describe_taesd},
  {"the encoder half of a tiny autoencoder; name the pair",
   [](auto& f) { return f.has_prefix("taesd_encoder."); }},
  {"the decoder half of a tiny autoencoder; name the pair",
   [](auto& f) { return f.has_prefix("taesd_decoder."); }},
  {"autoencoder_kl", is_kl, describe_kl},
  {"an unknown VAE in a checkpoint",
   [](auto& f) { return f.has_prefix("first_stage_model.") || f.has_prefix("vae."); }},
  {"the Wan or Qwen-Image autoencoder",
   [](auto& f) { return f.has("decoder.middle.0.residual.0.gamma"); }},
  {"AutoencoderTiny in diffusers' layout",
   [](auto& f) { return f.has("decoder.layers.0.weight"); }},
}};

constexpr std::array<family, 4> vision_families{{
  {"a CLIP or SigLIP vision encoder",
   [](auto& f) { return f.has("vision_model.encoder.layers.0.layer_norm1.weight"); }},
  {"OpenCLIP's layout of a vision encoder",
   [](auto& f) { return f.has("visual.transformer.resblocks.0.ln_1.weight"); }},
  {"the vision encoder of an unCLIP checkpoint",
   [](auto& f) { return f.has_prefix("embedder.model.visual."); }},
  {"DINO", [](auto& f) { return f.has_prefix("encoder.layer.0."); }},
}};

constexpr std::array<family, 2> vlm_families{{
  {"Qwen3-VL", [](auto& f) { return f.has_prefix("model.visual.deepstack_merger_list."); }},
  {"a language model", [](auto& f) { return f.has("model.layers.0.self_attn.k_proj.weight"); }},
}};

std::span<const family> families_of(model_kind kind) {
  switch (kind) {
  case model_kind::text:
    return text_families;
  case model_kind::vae:
    return vae_families;
  case model_kind::vision:
    return vision_families;
  default:
    return vlm_families;
  }
}

constexpr std::string_view article(model_kind kind) {
  switch (kind) {
  case model_kind::text:
    return "a text encoder";
  case model_kind::vae:
    return "a VAE";
  case model_kind::vision:
    return "a vision encoder";
  default:
    return "a vision-language model";
  }
}

/// A lone CLIP-L is SD1.5's encoder to ComfyUI whatever the type says, a lone CLIP-G the SDXL
/// refiner's, but for these.
result<void> check_type(const checkpoint& file, std::string_view type) {
  for (std::string_view other : {"sd3", "hidream"})
    if (type == other)
      return fail(ec::unsupported_model, "the type '" + std::string{type}
                                           + "' needs more encoders than " + file.title()
                                           + " has, and this build does not serve it");
  static constexpr std::array<std::string_view, 16> known{
    "",         "stable_diffusion", "sdxl", "flux",          "flux2",  "stable_cascade", "mochi",
    "ltxv",     "lumina2",          "wan",  "hunyuan_video", "chroma", "pixart",         "cosmos",
    "omnigen2", "qwen_image"};
  if (std::find(known.begin(), known.end(), type) == known.end())
    return fail(ec::bad_request, "there is no text encoder type '" + std::string{type}
                                   + "'; for this file 'stable_diffusion' is right");
  return {};
}

} // namespace

result<model_facts> detect_text_files(std::span<const checkpoint> files, std::string_view type) {
  for (std::string_view other : {"", "sdxl", "stable_diffusion"})
    if (type == other)
      return describe_clip(files);
  return fail(ec::unsupported_model,
              "a text encoder of type '" + std::string{type} + "' of "
                + std::to_string(files.size())
                + " files is a family that this build does not serve; 'sdxl' is served");
}

result<model_facts> detect(model_kind kind, const checkpoint& file, std::string_view type) {
  for (auto& family : families_of(kind)) {
    if (!family.matches(file))
      continue;
    if (family.describe == nullptr)
      return fail(ec::unsupported_model, file.title() + " holds " + std::string{family.name}
                                           + ", which this build does not serve");
    if (kind == model_kind::text)
      if (auto ok = check_type(file, type); !ok)
        return fail(ok);
    return family.describe(file);
  }
  return fail(ec::unsupported_model,
              file.title() + " holds nothing that is known as " + std::string{article(kind)});
}

} // namespace luna::models
