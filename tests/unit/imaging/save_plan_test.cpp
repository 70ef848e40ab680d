#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <limits>

#include "imaging/save_plan.hpp"
#include "tests/unit/why.hpp"

using namespace luna;
using namespace luna::imaging;
using json = nlohmann::ordered_json;

namespace {

save_task task_of(const json& fields) {
  auto task = parse_save_task(fields);
  BOOST_TEST_REQUIRE(task.has_value(), luna::testing::why(task));
  return *task;
}

/// A blank picture and one of black and white columns, 4 x 6.
std::vector<named_tensor> body() {
  std::vector<uint8_t> pixels(2 * 4 * 6 * 3, 128);
  for (size_t i = 4 * 6 * 3; i < pixels.size(); ++i)
    pixels[i] = i / 3 % 2 == 0 ? 0 : 255;
  return {{"a", tensor_block::copy_of(dtype::u8, {2, 4, 6, 3}, std::as_bytes(std::span{pixels}))}};
}

save_plan planned(const json& fields) {
  auto plan = plan_save(task_of(fields), body(), {}, {"/out"});
  BOOST_TEST_REQUIRE(plan.has_value(), luna::testing::why(plan));
  return *plan;
}

const json one_entry = json::array({{{"tensor", "a"}, {"affix", "RAW"}, {"subdir", true}}});

std::vector<std::string> places(const save_plan& plan) {
  std::vector<std::string> out;
  for (const auto& file : plan.files)
    out.push_back(file.place.subfolder + "/" + file.place.stem + "." + file.place.extension);
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(save_plan_test)

BOOST_AUTO_TEST_CASE(what_a_gate_refuses_goes_below_save_path_with_its_score) {
  const auto plan = planned({{"save_path", "day"},
                             {"filename", "sub/x"},
                             {"quality_gate", "variance"},
                             {"images", one_entry}});
  const std::vector<std::string> want = {"day/_discarded/sub/RAW/x_RAW_0.png",
                                         "day/sub/RAW/x_RAW_1.png"};
  BOOST_TEST(places(plan) == want, boost::test_tools::per_element());
  BOOST_TEST(plan.files[0].role.discarded);
  BOOST_TEST(plan.files[0].role.score.value() == 0);
  BOOST_TEST(!plan.files[1].role.discarded);
  BOOST_TEST(plan.files[1].role.score.value() == 1);
}

BOOST_AUTO_TEST_CASE(thumbnails_are_made_of_pictures_that_pass_and_lie_beside_them) {
  const auto plan = planned({{"filename", "x"},
                             {"quality_gate", "variance"},
                             {"thumbnail", {{"size", 16}}},
                             {"images", one_entry}});
  const std::vector<std::string> want = {"_discarded/RAW/x_RAW_0.png", "RAW/x_RAW_1.png",
                                         "RAW/_thumbnails/x_RAW_1.webp"};
  BOOST_TEST(places(plan) == want, boost::test_tools::per_element());
  BOOST_TEST((plan.files[2].role.kind == file_kind::thumbnail));
  BOOST_TEST(plan.files[2].role.of == 1u);
  BOOST_TEST(plan.files[2].pixels.dim(1) == 6); // smaller than asked for: as it is
}

BOOST_AUTO_TEST_CASE(a_thumbnails_longest_side_is_the_one_asked_for) {
  const std::vector<uint8_t> pixels(64 * 100 * 3, 77);
  const std::vector<named_tensor> tensors = {
    {"a", tensor_block::copy_of(dtype::u8, {64, 100, 3}, std::as_bytes(std::span{pixels}))}};
  const auto plan = plan_save(
    task_of({{"thumbnail", {{"size", 25}}}, {"filename", "x"}, {"images", {{{"tensor", "a"}}}}}),
    tensors, {}, {"/out"});
  BOOST_TEST_REQUIRE(plan.has_value(), luna::testing::why(plan));
  const auto& small = plan->files[1].pixels;
  BOOST_TEST(small.dim(0) == 16);
  BOOST_TEST(small.dim(1) == 25);
  for (const auto x : small.as<uint8_t>())
    BOOST_TEST(x == 77);
}

BOOST_AUTO_TEST_CASE(the_archive_comes_last_with_its_templates_filled_in) {
  const auto plan = planned({{"filename", "x"},
                             {"save_path", "p"},
                             {"filename_index", 7},
                             {"archive", "all_%index%.zip"},
                             {"images", one_entry}});
  BOOST_TEST_REQUIRE(plan.files.size() == 3u);
  BOOST_TEST(places(plan)[2] == "p/all_7.zip");
  BOOST_TEST((plan.files[2].role.kind == file_kind::archive));
  BOOST_TEST(plan.files[2].pixels.size_bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(an_archive_without_a_name_or_outside_is_refused) {
  for (const auto* name : {"", ".zip", "../x.zip", "/x.zip"}) {
    const auto plan =
      plan_save(task_of({{"archive", name}, {"images", one_entry}}), body(), {}, {"/out"});
    BOOST_TEST(!plan.has_value(), name);
  }
}

BOOST_AUTO_TEST_CASE(roles_come_back_from_their_text) {
  const auto task = task_of({{"filename", "x"},
                             {"quality_gate", "both"},
                             {"thumbnail", {{"size", 16}}},
                             {"archive", "a"},
                             {"timestamp", "2026_11_22_100000"},
                             {"images", one_entry}});
  const auto plan = plan_save(task, body(), {}, {"/out"});
  BOOST_TEST_REQUIRE(plan.has_value(), luna::testing::why(plan));
  const auto roles = plan->roles();
  const auto got = parse_roles(to_text(roles), task, roles.files.size());
  BOOST_TEST_REQUIRE(got.has_value(), luna::testing::why(got));
  BOOST_TEST((*got == roles));
}

BOOST_AUTO_TEST_CASE(jobs_of_an_older_luna_are_plain_pictures_and_torn_text_is_an_error) {
  const auto task = task_of({{"images", one_entry}});
  const auto old = parse_roles("", task, 2);
  BOOST_TEST_REQUIRE(old.has_value());
  BOOST_TEST(old->files.size() == 2u);
  for (const auto* text : {"{", "{}", R"({"time":"x","files":[]})",
                           R"({"time":"2026_11_22_100000","files":[{"kind":1}]})"})
    BOOST_TEST(!parse_roles(text, task, 1).has_value(), text);
}

BOOST_AUTO_TEST_CASE(details_tell_scores_kinds_and_what_was_left_out) {
  file_role role;
  BOOST_TEST(detail_of(role, {}) == "");
  role.score = 0.25;
  BOOST_TEST(detail_of(role, {"workflow"}) == R"({"score":0.25,"left_out":["workflow"]})");
  role.score.reset();
  role.non_finite = 3;
  role.left_out = {"\u732b"};
  BOOST_TEST(detail_of(role, {"workflow"})
             == "{\"non_finite\":3,\"left_out\":[\"\u732b\",\"workflow\"]}");
  file_role thumbnail;
  thumbnail.kind = file_kind::thumbnail;
  thumbnail.of = 3;
  BOOST_TEST(detail_of(thumbnail, {}) == R"({"kind":"thumbnail","of":3})");
}

BOOST_AUTO_TEST_CASE(values_that_are_not_finite_are_counted_and_kept_in_the_plan) {
  const auto nan = std::numeric_limits<float>::quiet_NaN();
  const auto inf = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {0, 1, nan, 0, inf, -inf, 0.5F, 2, -3, 0, 0, 0};
  const std::vector<named_tensor> tensors = {
    {"image_0", tensor_block::copy_of(dtype::f32, {2, 2, 3}, std::as_bytes(std::span{values}))}};
  for (const auto* format : {"png", "jpeg", "exr"}) {
    const auto task = task_of({{"images", {{{"tensor", "image_0"}, {"format", format}}}}});
    const auto plan = plan_save(task, tensors, {}, {"/out"});
    BOOST_TEST_REQUIRE(plan.has_value(), luna::testing::why(plan));
    const auto roles = parse_roles(to_text(plan->roles()), task, 1);
    BOOST_TEST_REQUIRE(roles.has_value());
    BOOST_TEST(roles->files[0].non_finite == 3u, format);
  }
}

BOOST_AUTO_TEST_CASE(a_key_that_no_file_can_hold_is_left_out_and_named) {
  const std::string endless(300, 'k');
  for (const auto* format : {"png", "exr"}) {
    const auto task = task_of({{"images", {{{"tensor", "a"}, {"format", format}}}},
                               {"metadata", {{"", "x"}, {endless, "y"}, {"\u732b", "z"}}}});
    const auto plan = plan_save(task, body(), {}, {"/out"});
    BOOST_TEST_REQUIRE(plan.has_value(), luna::testing::why(plan));
    const auto& left_out = plan->files[0].role.left_out;
    const auto want = std::string_view{format} == "exr" ? std::vector<std::string>{"", endless}
                                                        : std::vector<std::string>{""};
    BOOST_TEST(left_out == want, boost::test_tools::per_element());
    const auto file = encode_file(task, plan->roles(), 0, plan->files[0].pixels);
    BOOST_TEST_REQUIRE(file.has_value(), luna::testing::why(file));
  }
}

BOOST_AUTO_TEST_CASE(sides_that_a_format_cannot_hold_are_refused_when_the_job_is_planned) {
  struct side {
    const char* format;
    int64_t largest;
  };
  for (const auto& [format, largest] : {side{"webp", 16383}, {"jpeg", 65500}, {"avif", 65536}})
    for (const bool wide : {true, false})
      for (const int64_t more : {0, 1}) {
        const auto length = largest + more;
        const std::vector<std::byte> row(static_cast<size_t>(length) * 3);
        const std::vector<int64_t> shape =
          wide ? std::vector<int64_t>{1, length, 3} : std::vector<int64_t>{length, 1, 3};
        const std::vector<named_tensor> tensors = {
          {"image_0", tensor_block::copy_of(dtype::u8, shape, row)}};
        const auto task = task_of({{"images", {{{"tensor", "image_0"}, {"format", format}}}}});
        const auto plan = plan_save(task, tensors, {}, {"/out"});
        BOOST_TEST_CONTEXT(format << " " << length) {
          BOOST_TEST(plan.has_value() == (more == 0));
          if (plan) {
            const auto file = encode_file(task, plan->roles(), 0, plan->files[0].pixels);
            BOOST_TEST(file.has_value(), luna::testing::why(file));
          } else {
            BOOST_TEST((plan.error().code == ec::bad_request));
            BOOST_TEST(plan.error().message.starts_with("images[0]: a picture of "));
          }
        }
      }
}

BOOST_AUTO_TEST_SUITE_END()
