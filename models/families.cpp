#include "models/family.hpp"
#include "models/text/clip_layout.hpp"
#include "models/vae/kl_layout.hpp"
#include "models/vae/taesd_layout.hpp"

namespace luna::models {

namespace {

constexpr auto text = model_kind::text;
constexpr auto vae = model_kind::vae;
constexpr auto vision = model_kind::vision;
constexpr auto vlm = model_kind::vlm;

// In each kind the order is ComfyUI's, checkpoints with prefixes first. A new family gets its row
// here.
constexpr known_family table[] = {
  {text, "SDXL (clip_l + clip_g)",
   [](auto& f) { return f.has_prefix("conditioner.embedders.1.model."); }, &clip_family},
  {text, "the SDXL refiner (clip_g)",
   [](auto& f) { return f.numbered("conditioner.embedders.0.model.transformer.resblocks.") > 30; },
   &clip_family},
  {text, "SD2 (clip_h)",
   [](auto& f) {
     return f.has_prefix("cond_stage_model.model.")
         || f.has_prefix("conditioner.embedders.0.model.");
   }},
  {text, "SD3 (clip_l, clip_g, t5xxl)",
   [](auto& f) { return f.has_prefix("text_encoders.clip_g."); }},
  {text, "FLUX (clip_l, t5xxl)", [](auto& f) { return f.has_prefix("text_encoders.t5xxl."); }},
  {text, "Qwen3 in a checkpoint", [](auto& f) { return f.has_prefix("text_encoders."); }},
  {text, "OpenCLIP's layout of a text tower",
   [](auto& f) { return f.has_prefix("transformer.resblocks."); }, &clip_family},
  {text, "clip_l", [](auto& f) { return f.has_prefix("cond_stage_model.transformer."); },
   &clip_family},
  {text, "clip_g", [](auto& f) { return f.numbered("text_model.encoder.layers.") > 30; },
   &clip_family},
  {text, "clip_h", [](auto& f) { return f.numbered("text_model.encoder.layers.") > 22; }},
  {text, "clip_l", [](auto& f) { return f.has_prefix("text_model.encoder.layers."); },
   &clip_family},
  {text, "Jina CLIP", [](auto& f) { return f.has("model.encoder.layers.0.mixer.Wqkv.weight"); }},
  {text, "T5-XXL",
   [](auto& f) { return f.rows("encoder.block.23.layer.1.DenseReluDense.wi_1.weight") == 10240; }},
  {text, "T5-XL",
   [](auto& f) { return f.rows("encoder.block.23.layer.1.DenseReluDense.wi_1.weight") == 5120; }},
  {text, "T5 of 24 blocks",
   [](auto& f) { return f.has("encoder.block.23.layer.1.DenseReluDense.wi_1.weight"); }},
  {text, "the old T5-XXL",
   [](auto& f) { return f.has("encoder.block.23.layer.1.DenseReluDense.wi.weight"); }},
  {text, "ByT5",
   [](auto& f) { return f.rows("encoder.block.0.layer.0.SelfAttention.k.weight") == 384; }},
  {text, "T5-base",
   [](auto& f) { return f.has("encoder.block.0.layer.0.SelfAttention.k.weight"); }},
  {text, "Gemma",
   [](auto& f) { return f.has("model.layers.0.post_feedforward_layernorm.weight"); }},
  {text, "GPT-OSS", [](auto& f) { return f.has("model.layers.0.self_attn.sinks"); }},
  {text, "Qwen2.5-VL-3B",
   [](auto& f) { return f.rows("model.layers.0.self_attn.k_proj.bias") == 256; }},
  {text, "Qwen2.5-VL-7B",
   [](auto& f) { return f.rows("model.layers.0.self_attn.k_proj.bias") == 512; }},
  {text, "Qwen3.5", [](auto& f) { return f.has("model.layers.0.linear_attn.A_log"); }},
  {text, "Qwen3-VL", [](auto& f) { return f.has_prefix("model.visual.deepstack_merger_list."); }},
  {text, "Qwen3-4B",
   [](auto& f) {
     return f.has("model.layers.0.self_attn.q_norm.weight")
         && f.rows("model.layers.0.post_attention_layernorm.weight") == 2560;
   }},
  {text, "Qwen3-8B",
   [](auto& f) {
     return f.has("model.layers.0.self_attn.q_norm.weight")
         && f.rows("model.layers.0.post_attention_layernorm.weight") == 4096;
   }},
  {text, "Qwen3", [](auto& f) { return f.has("model.layers.0.self_attn.q_norm.weight"); }},
  {text, "Mistral 24B",
   [](auto& f) { return f.rows("model.layers.0.post_attention_layernorm.weight") == 5120; }},
  {text, "Ministral",
   [](auto& f) { return f.rows("model.layers.0.post_attention_layernorm.weight") == 3072; }},
  {text, "Llama 3",
   [](auto& f) { return f.has("model.layers.0.post_attention_layernorm.weight"); }},
  {text, "a vision encoder", [](auto& f) { return f.has_prefix("vision_model."); }},
  {vae, "taesd", is_taesd, &taesd_family},
  {vae, "the encoder half of a tiny autoencoder; name the pair",
   [](auto& f) { return f.has_prefix("taesd_encoder."); }},
  {vae, "the decoder half of a tiny autoencoder; name the pair",
   [](auto& f) { return f.has_prefix("taesd_decoder."); }},
  {vae, "autoencoder_kl", is_kl, &kl_family},
  {vae, "an unknown VAE in a checkpoint",
   [](auto& f) { return f.has_prefix("first_stage_model.") || f.has_prefix("vae."); }},
  {vae, "the Wan or Qwen-Image autoencoder",
   [](auto& f) { return f.has("decoder.middle.0.residual.0.gamma"); }},
  {vae, "AutoencoderTiny in diffusers' layout",
   [](auto& f) { return f.has("decoder.layers.0.weight"); }},
  {vision, "a CLIP or SigLIP vision encoder",
   [](auto& f) { return f.has("vision_model.encoder.layers.0.layer_norm1.weight"); }},
  {vision, "OpenCLIP's layout of a vision encoder",
   [](auto& f) { return f.has("visual.transformer.resblocks.0.ln_1.weight"); }},
  {vision, "the vision encoder of an unCLIP checkpoint",
   [](auto& f) { return f.has_prefix("embedder.model.visual."); }},
  {vision, "DINO", [](auto& f) { return f.has_prefix("encoder.layer.0."); }},
  {vlm, "Qwen3-VL", [](auto& f) { return f.has_prefix("model.visual.deepstack_merger_list."); }},
  {vlm, "a language model",
   [](auto& f) { return f.has("model.layers.0.self_attn.k_proj.weight"); }},
};

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

result<model_facts> facts_of(const family& family, std::span<const checkpoint> files,
                             std::string_view type) {
  auto facts = family.describe(files, type);
  if (facts)
    facts->served_by = &family;
  return facts;
}

} // namespace

std::span<const known_family> known_families() {
  return table;
}

result<model_facts> inspect_model(model_kind kind, std::span<const model_file> files,
                                  std::string_view type, std::span<const known_family> families) {
  if (kind == model_kind::text && files.size() > 1) { // SDXL's pair
    auto opened = open_text_files(files);
    return opened ? facts_of(clip_family, *opened, type) : fail(opened);
  }
  auto file = checkpoint::open(files);
  if (!file)
    return fail(file);
  for (auto& row : families) {
    if (row.kind != kind || !row.matches(*file))
      continue;
    if (row.served_by == nullptr)
      return fail(ec::unsupported_model, file->title() + " holds " + std::string{row.name}
                                           + ", which this build does not serve");
    return facts_of(*row.served_by, {&*file, 1}, type);
  }
  return fail(ec::unsupported_model,
              file->title() + " holds nothing that is known as " + std::string{article(kind)});
}

} // namespace luna::models
