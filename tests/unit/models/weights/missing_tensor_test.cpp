// A model that lacks one tensor, whichever it is, is no smaller model: it is a broken file.
#include <boost/test/unit_test.hpp>

#include <functional>

#include "header_only.hpp"
#include "support.hpp"
#include "vae/taesd_reference.hpp"

using namespace luna;
using namespace luna::models;

namespace {

using names = std::function<bool(const std::string&)>;

/// Leaves each of these tensors out, one after another. @returns how many.
size_t leave_out_each(const std::vector<test::header_entry>& all, model_kind kind,
                      const names& needed) {
  BOOST_REQUIRE(test::inspect_header(all, kind).has_value());
  size_t tried = 0;
  for (auto& x : all) {
    if (!needed(x.name))
      continue;
    ++tried;
    auto rest = all;
    std::erase_if(rest, [&](auto& y) { return y.name == x.name; });
    auto got = test::inspect_header(rest, kind);
    BOOST_CHECK_MESSAGE(!got, "without '" << x.name << "' it is served");
    if (got)
      continue;
    BOOST_CHECK_MESSAGE(got.error().code == ec::bad_model_file, got.error().message);
    BOOST_CHECK_MESSAGE(got.error().message.find("'" + x.name + "' is missing")
                          != std::string::npos,
                        "without '" << x.name << "': " << got.error().message);
  }
  return tried;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// What ComfyUI reads of a text tower.
bool is_read(const std::string& name) {
  return !has(name, "position_ids") && !has(name, "logit_scale");
}

/// Of a deep tower a few blocks stand for all.
bool is_sample(const std::string& name) {
  for (auto between : {"layers.", "resblocks."})
    if (auto at = name.find(between); at != std::string::npos) {
      auto number = std::stoi(name.substr(at + std::string_view{between}.size()));
      return number == 0 || number == 23 || number == 30 || number == 31;
    }
  return is_read(name);
}

std::filesystem::path model(std::string_view name) {
  return std::filesystem::path{LUNA_TEST_MODELS} / name;
}

} // namespace

BOOST_AUTO_TEST_SUITE(missing_tensor_test)

BOOST_AUTO_TEST_CASE(a_clip_l_without_layer_5_is_not_served_as_five_layers) {
  auto all = test::header_of(model("clip_l.safetensors"));
  std::erase_if(all, [](auto& x) { return has(x.name, "encoder.layers.5."); });
  auto got = test::inspect_header(all, model_kind::text);
  BOOST_REQUIRE(!got);
  BOOST_TEST((got.error().code == ec::bad_model_file));
  BOOST_TEST(has(got.error().message, "text_model.encoder.layers.5."));
}

BOOST_AUTO_TEST_CASE(a_clip_l_without_its_last_layers_is_not_served_either) {
  auto all = test::header_of(model("clip_l.safetensors"));
  std::erase_if(all, [](auto& x) {
    return has(x.name, "encoder.layers.10.") || has(x.name, "encoder.layers.11.");
  });
  auto got = test::inspect_header(all, model_kind::text);
  BOOST_REQUIRE(!got);
  BOOST_TEST((got.error().code == ec::bad_model_file));
  BOOST_TEST(has(got.error().message, "text_model.encoder.layers.10."));
}

BOOST_AUTO_TEST_CASE(a_clip_g_without_layer_23_is_not_called_clip_h) {
  for (auto file : {"clip_g.safetensors", "clip_g_openclip.safetensors"}) {
    auto all = test::header_of(model(file));
    std::erase_if(all, [](auto& x) { return has(x.name, "s.23."); });
    auto got = test::inspect_header(all, model_kind::text);
    BOOST_REQUIRE(!got);
    BOOST_CHECK_MESSAGE(got.error().code == ec::bad_model_file, got.error().message);
    BOOST_CHECK_MESSAGE(has(got.error().message, "s.23."), got.error().message);
  }
}

BOOST_AUTO_TEST_CASE(a_tower_of_more_blocks_than_its_kind_has_is_not_served) {
  auto all = test::header_of(model("clip_l.safetensors"));
  all.push_back({"text_model.encoder.layers.12.mlp.fc1.bias", dtype::f16, {512}});
  auto got = test::inspect_header(all, model_kind::text);
  BOOST_REQUIRE(!got);
  BOOST_TEST((got.error().code == ec::unsupported_model));
  BOOST_TEST(has(got.error().message, "13 blocks"));
}

BOOST_AUTO_TEST_CASE(every_tensor_of_a_text_tower_is_missed) {
  auto plain = [](auto& name) { return is_read(name) && !has(name, "text_projection"); };
  BOOST_TEST(leave_out_each(test::header_of(model("clip_l.safetensors")), model_kind::text, plain)
             == 196U);
  BOOST_TEST(leave_out_each(test::header_of(model("sd15.safetensors")), model_kind::text,
                            [&](auto& name) {
                              return name.starts_with("cond_stage_model.") && plain(name)
                                  && (is_sample(name) || has(name, "layers.5."));
                            })
             >= 30U);
  for (auto file : {"clip_g.safetensors", "clip_g_openclip.safetensors"})
    BOOST_TEST(leave_out_each(test::header_of(model(file)), model_kind::text, is_sample) >= 50U);
  BOOST_TEST(leave_out_each(test::header_of(model("sdxl.safetensors")), model_kind::text,
                            [&](auto& name) {
                              auto l = name.starts_with("conditioner.embedders.0.");
                              auto g = name.starts_with("conditioner.embedders.1.");
                              return (g && is_sample(name))
                                  || (l && is_sample(name) && plain(name));
                            })
             >= 60U);
}

BOOST_AUTO_TEST_CASE(every_tensor_of_an_autoencoder_is_missed) {
  auto all = [](auto&) { return true; };
  for (auto file : {"vae_sd.safetensors", "vae_sd_diffusers.safetensors", "vae_flux.safetensors"})
    BOOST_TEST(leave_out_each(test::header_of(model(file)), model_kind::vae, all) >= 240U);
  BOOST_TEST(leave_out_each(test::header_of(model("sd15.safetensors")), model_kind::vae,
                            [](auto& name) {
                              return name.starts_with("first_stage_model.")
                                  && (has(name, "conv_in") || has(name, "quant_conv"));
                            })
             == 8U);
}

BOOST_AUTO_TEST_CASE(every_tensor_of_a_tiny_autoencoder_is_missed) {
  test::temporary_folder folder;
  auto all = [](auto&) { return true; };
  for (auto channels : {4, 16, 32}) {
    test::write_joined(test::make_autoencoder(4, channels, 1), folder / "tae.safetensors");
    BOOST_TEST(leave_out_each(test::header_of(folder / "tae.safetensors"), model_kind::vae, all)
               > 100U);
  }
}

BOOST_AUTO_TEST_SUITE_END()
