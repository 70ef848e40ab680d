#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "imaging/save_task.hpp"
#include "tests/unit/why.hpp"

using namespace luna;
using namespace luna::imaging;
using json = nlohmann::ordered_json;

namespace {

const json one_image = json::array({{{"tensor", "image_0"}}});

/// A task with one image and these fields.
json task_with(json fields = json::object()) {
  if (!fields.contains("images"))
    fields["images"] = one_image;
  return fields;
}

save_task parsed(json fields = json::object()) {
  auto task = parse_save_task(task_with(std::move(fields)));
  BOOST_TEST_REQUIRE(task.has_value(), luna::testing::why(task));
  return *task;
}

std::string refusal(json fields) {
  const auto task = parse_save_task(task_with(std::move(fields)));
  BOOST_TEST_REQUIRE(!task.has_value());
  BOOST_TEST((task.error().code == ec::bad_request));
  return task.error().message;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

BOOST_AUTO_TEST_SUITE(save_task_test)

BOOST_AUTO_TEST_CASE(what_is_left_out_takes_its_default) {
  const auto task = parsed();
  BOOST_TEST(task.output_dir == "");
  BOOST_TEST(task.save_path == "");
  BOOST_TEST(task.filename == "");
  BOOST_TEST(task.filename_index == 0);
  BOOST_TEST(task.model_name == "");
  BOOST_TEST(task.templates);
  BOOST_TEST(!task.counter.has_value());
  BOOST_TEST(!task.time.has_value());
  BOOST_TEST((task.collision == collision_mode::rename));
  BOOST_TEST(task.target == "folder");
  BOOST_TEST((task.gate == quality_gate::disabled));
  BOOST_TEST(task.least_quality == 0.3);
  BOOST_TEST(task.encoding.png.compression == 4);
  BOOST_TEST(!task.encoding.png.encoder.has_value());
  BOOST_TEST(task.encoding.bit_depth == 8);
  BOOST_TEST(task.encoding.lossy_quality == 90);
  BOOST_TEST(!task.encoding.lossless_webp);
  BOOST_TEST(!task.thumbnail.has_value());
  BOOST_TEST(!task.archive.has_value());
  BOOST_TEST(task.metadata.embed);
  BOOST_TEST(!task.metadata.luna);
  BOOST_TEST(!task.fast_durability);
  BOOST_TEST(task.priority == 0);
  BOOST_TEST(task.metadata.workflow.empty());
  BOOST_TEST_REQUIRE(task.images.size() == 1u);
  BOOST_TEST(task.images[0].tensor == "image_0");
  BOOST_TEST(task.images[0].affix == "");
  BOOST_TEST(!task.images[0].subdir);
  BOOST_TEST(!task.images[0].save_dir.has_value());
  BOOST_TEST(!task.images[0].filename.has_value());
}

BOOST_AUTO_TEST_CASE(every_field_is_read) {
  const auto task = parsed({{"output_dir", "o"},
                            {"save_path", "p"},
                            {"filename", "f"},
                            {"filename_index", 3},
                            {"model_name", "m"},
                            {"templates", false},
                            {"counter", {{"digits", 2}, {"suffix", ""}}},
                            {"timestamp", "2026_11_22_100000"},
                            {"collision", "fail"},
                            {"png_compression", 9},
                            {"png_encoder", "fast"},
                            {"target", "bucket"},
                            {"quality_gate", "both"},
                            {"min_quality_threshold", 0.5},
                            {"bit_depth", 16},
                            {"lossy_quality", 75},
                            {"lossless_webp", true},
                            {"thumbnail", {{"size", 128}}},
                            {"archive", "all.zip"},
                            {"embed_workflow", false},
                            {"luna_metadata", true},
                            {"custom_metadata", "mine"},
                            {"parameters_text", "steps: 20"},
                            {"durability", "fast"},
                            {"priority", -1},
                            {"images",
                             {{{"tensor", "a"},
                               {"affix", "x"},
                               {"format", "jpeg"},
                               {"subdir", true},
                               {"save_dir", "d"},
                               {"filename", "g"}}}}});
  BOOST_TEST(task.output_dir == "o");
  BOOST_TEST(task.save_path == "p");
  BOOST_TEST(task.filename == "f");
  BOOST_TEST(task.filename_index == 3);
  BOOST_TEST(task.model_name == "m");
  BOOST_TEST(!task.templates);
  BOOST_TEST((task.counter == counter_spec{2, ""}));
  BOOST_TEST((task.time == timestamp{2026, 11, 22, 10, 0, 0}));
  BOOST_TEST((task.collision == collision_mode::fail));
  BOOST_TEST(task.encoding.png.compression == 9);
  BOOST_TEST((task.encoding.png.encoder == png_encoder::fast));
  BOOST_TEST(task.target == "bucket");
  BOOST_TEST((task.gate == quality_gate::both));
  BOOST_TEST(task.least_quality == 0.5);
  BOOST_TEST(task.encoding.bit_depth == 16);
  BOOST_TEST(task.encoding.lossy_quality == 75);
  BOOST_TEST(task.encoding.lossless_webp);
  BOOST_TEST(task.thumbnail.value() == 128);
  BOOST_TEST(task.archive.value() == "all.zip");
  BOOST_TEST(!task.metadata.embed);
  BOOST_TEST(task.metadata.luna);
  BOOST_TEST(task.metadata.custom == "mine");
  BOOST_TEST(task.metadata.parameters == "steps: 20");
  BOOST_TEST((task.images[0].format == image_format::jpeg));
  BOOST_TEST(task.fast_durability);
  BOOST_TEST(task.priority == -1);
  BOOST_TEST(task.images[0].affix == "x");
  BOOST_TEST(task.images[0].subdir);
  BOOST_TEST(task.images[0].save_dir.value() == "d");
  BOOST_TEST(task.images[0].filename.value() == "g");
}

BOOST_AUTO_TEST_CASE(null_counts_as_left_out) {
  const auto task = parsed({{"prompt", nullptr},
                            {"counter", nullptr},
                            {"timestamp", nullptr},
                            {"thumbnail", nullptr},
                            {"archive", nullptr},
                            {"extra_pnginfo", nullptr}});
  BOOST_TEST(task.metadata.workflow.empty());
  BOOST_TEST(!task.thumbnail.has_value());
  BOOST_TEST(!task.archive.has_value());
  BOOST_TEST(!task.counter.has_value());
}

BOOST_AUTO_TEST_CASE(wrong_values_are_refused_with_the_field_and_what_was_expected) {
  const json fields = {{"output_dir", 7},
                       {"save_path", json::array()},
                       {"filename", true},
                       {"filename_index", -1},
                       {"filename_index", 1.5},
                       {"templates", "yes"},
                       {"counter", 5},
                       {"timestamp", "yesterday"},
                       {"collision", "replace"},
                       {"png_compression", 10},
                       {"png_encoder", "best"},
                       {"target", 1},
                       {"quality_gate", "edges"},
                       {"min_quality_threshold", 1.5},
                       {"bit_depth", 12},
                       {"lossy_quality", 0},
                       {"lossless_webp", 1},
                       {"thumbnail", 256},
                       {"archive", true},
                       {"custom_metadata", 1},
                       {"luna_metadata", "yes"},
                       {"embed_workflow", 1},
                       {"extra_pnginfo", "text"},
                       {"metadata", json::array()},
                       {"parameters_text", 1},
                       {"durability", "none"},
                       {"priority", 2},
                       {"images", json::object()}};
  for (const auto& [key, value] : fields.items()) {
    const auto message = refusal({{key, value}});
    BOOST_TEST(contains(message, "task_data." + key), message);
    BOOST_TEST(contains(message, "must be"), message);
  }
  BOOST_TEST(contains(refusal({{"png_compression", 10}}), "from 0 to 9, it is 10"));
  BOOST_TEST(contains(refusal({{"min_quality_threshold", 2}}), "from 0.0 to 1.0, it is 2"));
  BOOST_TEST(contains(refusal({{"thumbnail", {{"size", 8}}}}), "task_data.thumbnail.size"));
  BOOST_TEST(contains(refusal({{"counter", {{"digits", 0}}}}), "task_data.counter.digits"));
  BOOST_TEST(contains(refusal({{"counter", {{"suffix", "a/b"}}}}), "task_data.counter.suffix"));
  BOOST_TEST(contains(refusal({{"images", json::array()}}), "task_data.images"));
  BOOST_TEST(contains(refusal({{"images", {json::object()}}}), "task_data.images[0].tensor"));
  BOOST_TEST(contains(refusal({{"images", {7}}}), "task_data.images[0] must be an object"));
  BOOST_TEST(contains(refusal({{"images", {{{"tensor", "a"}, {"affix", "a/b"}}}}}), "affix"));
  BOOST_TEST(contains(refusal({{"images", {{{"tensor", "a"}, {"format", "gif"}}}}}), "format"));
  BOOST_TEST(!parse_save_task(json::array()).has_value());
  BOOST_TEST(!parse_save_task(json::object()).has_value());
}

BOOST_AUTO_TEST_CASE(names_longer_than_any_path_are_refused) {
  const std::string longest(4096, '%');
  for (const auto* key : {"output_dir", "save_path", "filename", "model_name", "archive"}) {
    parsed({{key, longest}});
    const auto message = refusal({{key, longest + "%"}});
    BOOST_TEST(contains(message, key), message);
    BOOST_TEST(contains(message, "4096"), message);
  }
}

BOOST_AUTO_TEST_CASE(unknown_fields_are_refused_with_the_nearest_known_one) {
  BOOST_TEST(contains(refusal({{"file_name", "x"}}), "did you mean 'filename'"));
  const auto message = refusal({{"images", {{{"tensor", "a"}, {"afix", "x"}}}}});
  BOOST_TEST(contains(message, "task_data.images[0].afix"), message);
  BOOST_TEST(contains(message, "'affix'"), message);
}

BOOST_AUTO_TEST_CASE(formats_are_known_by_their_extension) {
  BOOST_TEST(extension_of(image_format::png) == "png");
  BOOST_TEST((format_of_extension("PNG") == image_format::png));
  BOOST_TEST(extension_of(image_format::jpeg) == "jpg");
  BOOST_TEST((format_of_extension("jpeg") == image_format::jpeg));
  for (const auto format : {image_format::webp, image_format::jpeg, image_format::avif,
                            image_format::jxl, image_format::tiff, image_format::exr})
    BOOST_TEST((format_of_extension(extension_of(format)) == format));
  BOOST_TEST(!format_of_extension("gif").has_value());
}

BOOST_AUTO_TEST_SUITE_END()
