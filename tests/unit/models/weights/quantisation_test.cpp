// Models that are stored as fp8, int8, nf4 and the like are no broken files and no plain ones.
#include <boost/test/unit_test.hpp>

#include "header_only.hpp"
#include "support.hpp"

using namespace luna;
using namespace luna::models;

namespace {

using entries = std::vector<test::header_entry>;

const std::string layer = "text_model.encoder.layers.3.mlp.fc1";

entries clip() {
  return test::header_of(LUNA_TEST_MODELS "/clip_l.safetensors");
}

/// The layer's weight as another type, with more tensors beside it.
entries clip_with(dtype type, const entries& beside, std::vector<int64_t> shape = {512, 128}) {
  auto all = clip();
  auto& weight = test::entry_of(all, layer + ".weight");
  weight.type = type;
  weight.shape = std::move(shape);
  all.insert(all.end(), beside.begin(), beside.end());
  return all;
}

test::header_entry comfy_quant(const std::string& of, const std::string& json) {
  return {of + ".comfy_quant", dtype::u8, {static_cast<int64_t>(json.size())}, json};
}

void check_named(const entries& all, model_kind kind, const std::string& stored,
                 const std::string& where) {
  auto got = test::inspect_header(all, kind);
  BOOST_REQUIRE_MESSAGE(!got, stored << " is served");
  BOOST_CHECK_MESSAGE(got.error().code == ec::unsupported_model, got.error().message);
  auto want = "is quantised: '" + where + "' is stored as " + stored + ", ";
  BOOST_CHECK_MESSAGE(got.error().message.find(want) != std::string::npos,
                      got.error().message << "\ndoes not say: " << want);
}

} // namespace

BOOST_AUTO_TEST_SUITE(quantisation_test)

BOOST_AUTO_TEST_CASE(comfyuis_formats_are_named_with_the_layer) {
  test::header_entry scale{layer + ".weight_scale", dtype::f32, {}};
  for (std::string format : {"float8_e4m3fn", "int8_tensorwise", "mxfp8"})
    check_named(
      clip_with(dtype::f8_e4m3, {scale, comfy_quant(layer, R"({"format": ")" + format + "\"}")}),
      model_kind::text, format + " (comfy_quant)", layer);
  test::header_entry scale_2{layer + ".weight_scale_2", dtype::f32, {}};
  check_named(
    clip_with(dtype::u8, {scale, scale_2, comfy_quant(layer, R"({"format":"nvfp4"})")}, {512, 64}),
    model_kind::text, "nvfp4 (comfy_quant)", layer);
  check_named(clip_with(dtype::u8, {scale, scale_2}, {512, 64}), model_kind::text, "nvfp4", layer);
  check_named(clip_with(dtype::f8_e4m3, {comfy_quant(layer, "no json")}), model_kind::text,
              "fp8 (F8_E4M3) with scales", layer);
}

BOOST_AUTO_TEST_CASE(scales_alone_are_enough) {
  for (auto name : {".weight_scale", ".scale_weight", ".input_scale", ".scale_input"}) {
    test::header_entry scale{layer + name, dtype::f32, {}};
    check_named(clip_with(dtype::f8_e5m2, {scale}), model_kind::text, "fp8 (F8_E5M2) with scales",
                layer);
    check_named(clip_with(dtype::i8, {scale}), model_kind::text, "int8 with scales", layer);
  }
  auto old = clip();
  old.push_back({"scaled_fp8", dtype::f8_e4m3, {2}});
  auto got = test::inspect_header(old, model_kind::text);
  BOOST_REQUIRE(!got);
  BOOST_TEST((got.error().code == ec::unsupported_model));
  BOOST_TEST(got.error().message.find("scaled fp8") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(bare_fp8_and_int8_are_named) {
  check_named(clip_with(dtype::f8_e4m3, {}), model_kind::text, "fp8 (F8_E4M3)", layer + ".weight");
  check_named(clip_with(dtype::i8, {}), model_kind::text, "int8", layer + ".weight");
}

BOOST_AUTO_TEST_CASE(types_that_no_tensor_of_ours_has_are_named) {
  auto all = clip();
  auto& weight = test::entry_of(all, layer + ".weight");
  weight.type = dtype::u8;
  weight.type_name = "F8_E8M0";
  check_named(all, model_kind::text, "packed values (F8_E8M0)", layer + ".weight");
  auto beside = test::header_of(LUNA_TEST_MODELS "/sd15.safetensors");
  beside.push_back({"model.diffusion_model.out.2.weight_scale", dtype::u8, {4}, {}, "F8_E8M0"});
  BOOST_TEST(test::inspect_header(beside, model_kind::text).has_value());
}

BOOST_AUTO_TEST_CASE(bitsandbytes_is_named) {
  for (std::string kind : {"nf4", "fp4"})
    check_named(clip_with(dtype::u8,
                          {{layer + ".weight.absmax", dtype::f32, {1024}},
                           {layer + ".weight.quant_map", dtype::f32, {16}},
                           {layer + ".weight.quant_state.bitsandbytes__" + kind, dtype::u8, {80}}},
                          {32768, 1}),
                model_kind::text, kind + " (bitsandbytes)", layer);
  check_named(clip_with(dtype::i8, {{layer + ".SCB", dtype::f32, {512}}}), model_kind::text,
              "int8 (bitsandbytes)", layer);
}

BOOST_AUTO_TEST_CASE(an_autoencoder_is_looked_at_too) {
  for (auto [file, prefix] : {std::pair{"vae_sd.safetensors", ""},
                              {"sd15.safetensors", "first_stage_model."},
                              {"vae_sd_diffusers.safetensors", ""}}) {
    auto all = test::header_of(std::filesystem::path{LUNA_TEST_MODELS} / file);
    auto name = std::string{prefix} + "encoder.conv_in";
    test::entry_of(all, name + ".weight").type = dtype::f8_e4m3;
    check_named(all, model_kind::vae, "fp8 (F8_E4M3)", name + ".weight");
    all.push_back(comfy_quant(name, R"({"format":"float8_e4m3fn"})"));
    check_named(all, model_kind::vae, "float8_e4m3fn (comfy_quant)", name);
  }
}

BOOST_AUTO_TEST_CASE(a_checkpoint_of_which_only_the_diffusion_model_is_quantised_is_served) {
  auto all = test::header_of(LUNA_TEST_MODELS "/sd15.safetensors");
  all.push_back({"model.diffusion_model.out.2.weight", dtype::f8_e4m3, {4, 4}});
  all.push_back(comfy_quant("model.diffusion_model.out.2", R"({"format":"float8_e4m3fn"})"));
  all.push_back({"model.diffusion_model.scaled_fp8", dtype::f8_e4m3, {2}});
  BOOST_TEST(test::inspect_header(all, model_kind::text).has_value());
  BOOST_TEST(test::inspect_header(all, model_kind::vae).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
