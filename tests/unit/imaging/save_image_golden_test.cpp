#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>

#include "base/safetensors.hpp"
#include "imaging/json_dumps.hpp"
#include "imaging/pixels.hpp"
#include "imaging/save_plan.hpp"
#include "tests/unit/imaging/read_png.hpp"
#include "tests/unit/why.hpp"

/// What ComfyUI's own SaveImage wrote, written by luna.
using namespace luna;
using namespace luna::imaging;
using luna::imaging::testing::raw_chunk;
using luna::imaging::testing::read_chunks;
using luna::imaging::testing::read_file;
using luna::imaging::testing::read_png;

namespace {

const std::string folder = LUNA_TEST_DATA "/save_image/";

struct golden {
  std::vector<std::byte> bytes = read_file(folder + "save_image.safetensors");
  std::vector<named_tensor> tensors = read_safetensors(bytes, std::make_shared<int>(0)).value();
  nlohmann::ordered_json batch =
    nlohmann::ordered_json::parse(
      parse_safetensors(bytes, bytes.size()).value().metadata.at("luna.cases"))
      .at("batch");
};

std::vector<raw_chunk> texts_of(const std::vector<std::byte>& file) {
  auto chunks = read_chunks(file);
  std::erase_if(chunks, [](const auto& c) { return c.type != "tEXt" && c.type != "iTXt"; });
  return chunks;
}

} // namespace

BOOST_AUTO_TEST_SUITE(save_image_golden_test)

BOOST_FIXTURE_TEST_CASE(floats_become_the_bytes_that_comfyui_wrote, golden) {
  const auto got = to_u8(*find_tensor(tensors, "batch.image"));
  const auto want = find_tensor(tensors, "batch.u8")->bytes();
  BOOST_TEST(std::equal(got.bytes().begin(), got.bytes().end(), want.begin(), want.end()));
}

BOOST_FIXTURE_TEST_CASE(objects_and_strings_give_the_text_chunks_and_pixels_that_comfyui_wrote,
                        golden) {
  for (const bool as_text : {false, true}) {
    const auto given = [&](const char* key) -> nlohmann::ordered_json {
      if (as_text)
        return json_dumps(batch.at(key));
      return batch.at(key);
    };
    const auto task = parse_save_task({{"filename", "luna_64x48"},
                                       {"prompt", given("prompt")},
                                       {"extra_pnginfo", {{"workflow", given("workflow")}}},
                                       {"images", {{{"tensor", "batch.image"}}}}});
    BOOST_TEST_REQUIRE(task.has_value(), luna::testing::why(task));
    const auto plan = plan_save(*task, tensors, {}, {"/out"});
    BOOST_TEST_REQUIRE(plan.has_value(), luna::testing::why(plan));
    BOOST_TEST_REQUIRE(plan->files.size() == 2u);
    for (size_t row = 0; row < 2; ++row) {
      const auto want = read_file(folder + batch.at("files").at(row).get<std::string>());
      const auto got = encode_file(*task, plan->roles(), row, plan->files[row].pixels);
      BOOST_TEST_REQUIRE(got.has_value());
      BOOST_TEST((read_png(got->file).pixels == read_png(want).pixels));
      const auto got_texts = texts_of(got->file);
      const auto want_texts = texts_of(want);
      BOOST_TEST_REQUIRE(got_texts.size() == 2u);
      BOOST_TEST_REQUIRE(want_texts.size() == 2u);
      for (size_t i = 0; i < 2; ++i) {
        BOOST_TEST(got_texts[i].type == want_texts[i].type);
        BOOST_TEST(got_texts[i].data == want_texts[i].data);
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
