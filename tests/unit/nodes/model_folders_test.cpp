#include <boost/test/unit_test.hpp>

#include <cstdlib>

#include "nodes/model_folders.hpp"
#include "tests/unit/nodes/temporary_folder.hpp"
#include "tests/unit/why.hpp"

using namespace luna;
using list = std::vector<std::string>;

namespace {

model_folders parsed(const std::string& yaml) {
  const auto got = parse_extra_model_paths(yaml, "/conf", "extra.yaml");
  BOOST_TEST_REQUIRE(got.has_value(), luna::testing::why(got));
  return *got;
}

void check_folders(const list& got, const list& want) {
  BOOST_TEST(got == want, boost::test_tools::per_element());
}

} // namespace

BOOST_AUTO_TEST_SUITE(model_folders_test)

BOOST_AUTO_TEST_CASE(comfyuis_own_example_is_read) {
  const auto got = parsed(R"(# Rename this to extra_model_paths.yaml
a111:
    base_path: /path/to/stable-diffusion-webui/
    checkpoints: models/Stable-diffusion
    vae: models/VAE
    loras: |
         models/Lora
         models/LyCORIS
    upscale_models: models/ESRGAN
comfyui:
     base_path: relative/comfyui/
     is_default: true
     checkpoints: models/checkpoints/
     text_encoders: |
          models/text_encoders/
          models/clip/

     custom_nodes: custom_nodes/
other:
     checkpoints: here
empty:
)");
  check_folders(got.of("checkpoints"),
                {"/conf/relative/comfyui/models/checkpoints",
                 "/path/to/stable-diffusion-webui/models/Stable-diffusion", "/conf/here"});
  check_folders(got.of("loras"), {"/path/to/stable-diffusion-webui/models/Lora",
                                  "/path/to/stable-diffusion-webui/models/LyCORIS"});
  check_folders(got.of("text_encoders"), {"/conf/relative/comfyui/models/text_encoders",
                                          "/conf/relative/comfyui/models/clip"});
  check_folders(got.of("upscale_models"), {});
}

BOOST_AUTO_TEST_CASE(home_and_variables_are_expanded_in_base_path) {
  setenv("LUNA_TEST_ROOT", "/root/of/it", 1);
  const std::string home = std::getenv("HOME") != nullptr ? std::getenv("HOME") : "";
  check_folders(parsed("x: {base_path: $LUNA_TEST_ROOT/a, vae: v}").of("vae"), {"/root/of/it/a/v"});
  check_folders(parsed("x: {base_path: '${LUNA_TEST_ROOT}b', vae: v}").of("vae"),
                {"/root/of/itb/v"});
  check_folders(parsed("x: {base_path: '/$LUNA_NO_SUCH_THING/${', vae: v}").of("vae"),
                {"/$LUNA_NO_SUCH_THING/${/v"});
  check_folders(parsed("x: {base_path: ~/m, vae: v}").of("vae"), {home + "/m/v"});
  unsetenv("LUNA_TEST_ROOT");
}

BOOST_AUTO_TEST_CASE(an_empty_file_names_no_folder) {
  BOOST_TEST(parsed("").folders.empty());
  BOOST_TEST(parsed("# nothing\n").folders.empty());
}

BOOST_AUTO_TEST_CASE(broken_files_are_refused_with_file_and_line) {
  for (const auto& [yaml, line] :
       {std::pair{"a:\n  b: [1\n", ":"}, std::pair{"just text", ":1:"}, std::pair{"a: 5", ":1:"},
        std::pair{"a:\n  vae: [x, y]\n", ":2:"},
        std::pair{"a:\n  vae: x\n  is_default: maybe\n", ":3:"}}) {
    const auto got = parse_extra_model_paths(yaml, "/", "extra.yaml");
    BOOST_TEST_REQUIRE(!got.has_value(), yaml);
    BOOST_TEST(got.error().message.starts_with(std::string{"extra.yaml"} + line),
               got.error().message);
  }
}

BOOST_AUTO_TEST_CASE(folders_come_before_extra_paths_unless_those_are_the_default) {
  const testing::temporary_folder folder;
  models_section models;
  models.folders = {"/m1", "/m2"};
  models.extra_model_paths = folder.write(
    "extra.yaml", "a: {base_path: /a, vae: v}\nb: {base_path: b, is_default: true, vae: w}");
  const auto got = collect_model_folders(models);
  BOOST_TEST_REQUIRE(got.has_value(), luna::testing::why(got));
  check_folders(got->of("vae"), {(folder.path() / "b/w").string(), "/m1/vae", "/m2/vae", "/a/v"});
  check_folders(got->of("clip_vision"), {"/m1/clip_vision", "/m2/clip_vision"});
  BOOST_TEST(got->folders.size() == model_folder_kinds().size());
}

BOOST_AUTO_TEST_CASE(a_missing_extra_file_is_an_error_that_names_it) {
  models_section models;
  models.extra_model_paths = "/nowhere/extra.yaml";
  const auto got = collect_model_folders(models);
  BOOST_TEST_REQUIRE(!got.has_value());
  BOOST_TEST(got.error().message.find("/nowhere/extra.yaml") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
