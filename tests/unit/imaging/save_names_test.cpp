#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "imaging/save_names.hpp"
#include "tests/unit/why.hpp"

/// resolve_names: what each picture of a task will be called.
using namespace luna;
using namespace luna::imaging;
using json = nlohmann::ordered_json;

namespace {

const std::vector<std::string> allowed = {"/srv/out", "/data/more"};

std::vector<named_tensor> body() {
  const std::vector<uint8_t> bytes(3 * 2 * 2 * 3);
  const auto view = std::as_bytes(std::span{bytes});
  return {{"one", tensor_block::copy_of(dtype::u8, {2, 2, 3}, view.first(12))},
          {"single", tensor_block::copy_of(dtype::u8, {1, 2, 2, 3}, view.first(12))},
          {"three", tensor_block::copy_of(dtype::u8, {3, 2, 2, 3}, view)},
          {"flat", tensor_block::copy_of(dtype::u8, {36}, view)}};
}

result<std::vector<image_plan>> plan(json task) {
  task["timestamp"] = "2025-12-02T23:36:42";
  if (!task.contains("images"))
    task["images"] = {{{"tensor", "one"}}};
  const auto parsed = parse_save_task(task);
  BOOST_TEST_REQUIRE(parsed.has_value(), luna::testing::why(parsed));
  return resolve_names(*parsed, body(), {}, allowed);
}

/// Where the only picture goes: "root|subfolder|stem".
std::string place(const json& task) {
  const auto plans = plan(task);
  if (!plans)
    return std::string{to_string(plans.error().code)};
  BOOST_TEST_REQUIRE(plans->size() == 1u);
  const auto& p = plans->front();
  return p.root + "|" + p.subfolder + "|" + p.stem;
}

std::string place_of_image(json image, json task = json::object()) {
  if (!image.contains("tensor"))
    image["tensor"] = "one";
  task["images"] = json::array({image});
  return place(task);
}

} // namespace

BOOST_AUTO_TEST_SUITE(save_names_test)

BOOST_AUTO_TEST_CASE(an_empty_task_is_named_by_time_and_model_in_the_first_allowed_folder) {
  BOOST_TEST(place(json::object()) == "/srv/out||2025_12_02_233642_UnknownModel");
  BOOST_TEST(place({{"model_name", "sub/foo.safetensors"}}) == "/srv/out||2025_12_02_233642_foo");
}

BOOST_AUTO_TEST_CASE(templates_are_expanded_in_path_and_name) {
  BOOST_TEST(place({{"save_path", "%model_dir%/%time:YYYY%"},
                    {"filename", "%model_name%_%time:YYYY-mm-dd_%index%"},
                    {"filename_index", 7},
                    {"model_name", "a/b/foo.ckpt"}})
             == "/srv/out|a/b/2025|foo_2025-12-02_7");
}

BOOST_AUTO_TEST_CASE(templates_false_makes_names_literal) {
  BOOST_TEST(place({{"templates", false}, {"save_path", "%index%"}, {"filename", "50%_%index%"}})
             == "/srv/out|%index%|50%_%index%");
}

BOOST_AUTO_TEST_CASE(a_slash_in_the_name_makes_folders) {
  BOOST_TEST(place({{"save_path", "p"}, {"filename", "%time:YYYY/mm/dd%"}})
             == "/srv/out|p/2025/12|02");
  BOOST_TEST(place({{"filename", "%model_path%"}, {"model_name", "x/y/z.pt"}}) == "/srv/out|x/y|z");
}

BOOST_AUTO_TEST_CASE(a_variable_that_is_empty_leaves_no_absolute_path_behind) {
  BOOST_TEST(place({{"save_path", "%model_dir%/x"}, {"filename", "n"}}) == "/srv/out|x|n");
}

BOOST_AUTO_TEST_CASE(an_affix_is_added_to_the_name_and_names_the_folder_if_asked) {
  BOOST_TEST(place_of_image({{"affix", "RAW"}}, {{"filename", "n"}}) == "/srv/out||n_RAW");
  BOOST_TEST(
    place_of_image({{"affix", "RAW"}, {"subdir", true}}, {{"filename", "s/n"}, {"save_path", "p"}})
    == "/srv/out|p/s/RAW|n_RAW");
  BOOST_TEST(place_of_image({{"subdir", true}}, {{"filename", "n"}}) == "/srv/out||n");
}

BOOST_AUTO_TEST_CASE(resolved_names_are_taken_as_they_are) {
  const json task = {{"filename", "not used"}, {"save_path", "nor this"}};
  BOOST_TEST(place_of_image({{"save_dir", "a/b"}, {"filename", "%index%"}, {"affix", "RAW"}}, task)
             == "/srv/out|a/b|%index%");
  BOOST_TEST(place_of_image({{"save_dir", "/srv/out/a"}, {"filename", "n"}}, task)
             == "/srv/out|a|n");
  BOOST_TEST(place_of_image({{"save_dir", "/srv/out"}, {"filename", "n"}}, task) == "/srv/out||n");
  BOOST_TEST(place_of_image({{"save_dir", "/data/more/x"}, {"filename", "n"}}, task)
             == "/data/more/x||n");
  BOOST_TEST(place_of_image({{"save_dir", "/etc"}, {"filename", "n"}}, task) == "not_permitted");
}

BOOST_AUTO_TEST_CASE(output_dir_is_under_an_allowed_folder_or_relative_to_the_first) {
  BOOST_TEST(place({{"output_dir", "/data/more/sub"}, {"filename", "n"}}) == "/data/more/sub||n");
  BOOST_TEST(place({{"output_dir", "project"}, {"filename", "n"}}) == "/srv/out/project||n");
  BOOST_TEST(place({{"output_dir", "/data"}, {"filename", "n"}}) == "not_permitted");
  BOOST_TEST(place({{"output_dir", "/srv/out/../x"}, {"filename", "n"}}) == "not_permitted");
  BOOST_TEST(place({{"output_dir", "../x"}, {"filename", "n"}}) == "not_permitted");
  const auto plans = plan({{"output_dir", "/data/more/sub/deep"}});
  BOOST_TEST(plans->front().allowed == "/data/more");
}

BOOST_AUTO_TEST_CASE(no_field_leads_out_of_the_output_folder) {
  BOOST_TEST(place({{"save_path", "../x"}}) == "not_permitted");
  BOOST_TEST(place({{"save_path", "/etc"}}) == "not_permitted");
  BOOST_TEST(place({{"filename", "a/../../x"}}) == "not_permitted");
  BOOST_TEST(place({{"filename", "..\\x"}}) == "not_permitted");
  BOOST_TEST(place({{"filename", "%model_path%"}, {"model_name", "../../x.pt"}})
             == "not_permitted");
  BOOST_TEST(place_of_image({{"save_dir", "../x"}}) == "not_permitted");
  BOOST_TEST(place_of_image({{"filename", "../x"}}) == "not_permitted");
  BOOST_TEST(place_of_image({{"affix", ".."}, {"subdir", true}}, {{"filename", "n"}})
             == "/srv/out||n_");
}

BOOST_AUTO_TEST_CASE(a_batch_gives_each_picture_its_number_from_0) {
  const auto plans = plan({{"filename", "n"},
                           {"images",
                            {{{"tensor", "three"}, {"affix", "A"}},
                             {{"tensor", "single"}, {"affix", "B"}},
                             {{"tensor", "three"}, {"filename", "given"}}}}});
  BOOST_TEST_REQUIRE(plans.has_value());
  std::vector<std::string> stems;
  for (size_t i = 0; i < plans->size(); ++i) {
    BOOST_TEST((*plans)[i].index == i);
    stems.push_back((*plans)[i].stem);
  }
  BOOST_TEST(stems
               == (std::vector<std::string>{"n_A_0", "n_A_1", "n_A_2", "n_B", "given_0", "given_1",
                                            "given_2"}),
             boost::test_tools::per_element());
  BOOST_TEST((*plans)[2].row == 2);
  BOOST_TEST((*plans)[2].tensor == "three");
  BOOST_TEST((*plans)[3].row == 0);
  BOOST_TEST((*plans)[6].entry == 2u);
}

BOOST_AUTO_TEST_CASE(a_counter_replaces_the_batch_number) {
  const auto plans =
    plan({{"filename", "n"}, {"counter", {{"digits", 3}}}, {"images", {{{"tensor", "three"}}}}});
  BOOST_TEST_REQUIRE(plans.has_value());
  for (const auto& p : *plans) {
    BOOST_TEST(p.stem == "n");
    BOOST_TEST((p.counter == counter_spec{3, "_"}));
  }
}

BOOST_AUTO_TEST_CASE(names_are_made_safe) {
  BOOST_TEST(place({{"filename", "a:b?"}, {"save_path", "CON/x."}}) == "/srv/out|_CON/x|a_b_");
  BOOST_TEST(place_of_image({{"affix", "a|b"}}, {{"filename", "n"}}) == "/srv/out||n_a_b");
}

BOOST_AUTO_TEST_CASE(a_name_that_would_be_too_long_is_refused_with_its_length) {
  BOOST_TEST(place({{"filename", std::string(240, 'n')}}) != "bad_request");
  const auto got = plan({{"filename", std::string(241, 'n')}});
  BOOST_TEST_REQUIRE(!got.has_value());
  BOOST_TEST((got.error().code == ec::bad_request));
  BOOST_TEST(got.error().message.find("241 bytes") != std::string::npos, got.error().message);
  std::string deep = "d";
  for (int i = 0; i < 2000; ++i)
    deep += "/d";
  BOOST_TEST(place({{"save_path", deep}, {"filename", "n"}}) == "bad_request");
}

BOOST_AUTO_TEST_CASE(tensors_must_be_there_and_be_pictures) {
  for (const auto* name : {"missing", "flat"}) {
    const auto got = plan({{"images", {{{"tensor", name}}}}});
    BOOST_TEST_REQUIRE(!got.has_value());
    BOOST_TEST((got.error().code == ec::bad_request));
    BOOST_TEST(got.error().message.find(name) != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_node_without_output_folders_saves_nothing) {
  const auto task = parse_save_task({{"images", {{{"tensor", "one"}}}}});
  const auto got = resolve_names(*task, body(), {}, {});
  BOOST_TEST_REQUIRE(!got.has_value());
  BOOST_TEST((got.error().code == ec::not_permitted));
}

BOOST_AUTO_TEST_CASE(without_a_timestamp_it_is_now) {
  const auto task = parse_save_task({{"images", {{{"tensor", "one"}}}}});
  const auto now = std::chrono::sys_days{std::chrono::year{2031} / 5 / 15} + std::chrono::hours{12};
  const auto got = resolve_names(*task, body(), now, allowed);
  BOOST_TEST_REQUIRE(got.has_value());
  BOOST_TEST(got->front().stem == to_string(local_timestamp(now)) + "_UnknownModel");
}

BOOST_AUTO_TEST_CASE(the_root_of_all_may_be_the_allowed_folder) {
  // so for a remote target, whose names count from its own root
  const std::vector<std::string> everything = {"/"};
  for (const auto* save_dir : {"/x", "/x/yz", "/other"}) {
    const auto task = parse_save_task(
      {{"output_dir", "x"}, {"images", {{{"tensor", "a"}, {"save_dir", save_dir}}}}});
    BOOST_TEST_REQUIRE(task.has_value());
    const std::vector<uint8_t> pixel(3);
    const std::vector<named_tensor> one = {
      {"a", tensor_block::copy_of(dtype::u8, {1, 1, 3}, std::as_bytes(std::span{pixel}))}};
    const auto got = resolve_names(*task, one, {}, everything);
    BOOST_TEST_REQUIRE(got.has_value());
    const auto& plan = got->front();
    const auto whole = plan.root + (plan.subfolder.empty() ? "" : "/" + plan.subfolder);
    BOOST_TEST(whole == save_dir);
  }
  const auto below = parse_save_task({{"output_dir", "x/y"}, {"images", {{{"tensor", "a"}}}}});
  const std::vector<uint8_t> pixel(3);
  const std::vector<named_tensor> one = {
    {"a", tensor_block::copy_of(dtype::u8, {1, 1, 3}, std::as_bytes(std::span{pixel}))}};
  BOOST_TEST(resolve_names(*below, one, {}, everything)->front().root == "/x/y");
}

BOOST_AUTO_TEST_SUITE_END()
