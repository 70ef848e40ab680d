#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "imaging/metadata.hpp"

using namespace luna;
using namespace luna::imaging;
using json = nlohmann::ordered_json;

namespace {

metadata_fields parsed(const json& object) {
  task_fields fields{object, "task_data"};
  auto out = parse_metadata(fields);
  const auto problem = fields.problem();
  BOOST_TEST_REQUIRE(!problem.has_value(), (problem ? problem->message : ""));
  return out;
}

std::string refusal(const json& object) {
  task_fields fields{object, "task_data"};
  parse_metadata(fields);
  const auto problem = fields.problem();
  BOOST_TEST_REQUIRE(problem.has_value());
  return problem->message;
}

const picture_facts facts = {"FINAL", "a/b.safetensors", {2026, 11, 22, 10, 0, 0}, 3};

} // namespace

BOOST_TEST_DONT_PRINT_LOG_VALUE(text_chunk)

BOOST_AUTO_TEST_SUITE(metadata_test)

BOOST_AUTO_TEST_CASE(chunks_come_in_the_order_prompt_extra_pnginfo_metadata_parameters) {
  const auto text =
    text_of(parsed({{"parameters_text", "steps: 20"},
                    {"metadata", {{"seed", "7"}, {"cfg", 7.5}}},
                    {"custom_metadata", "mine"},
                    {"extra_pnginfo", {{"workflow", "{\"w\":1}"}, {"o", {{"b", 1}}}}},
                    {"prompt", "{ \"p\" : 1 }"}}),
            facts);
  const std::vector<text_chunk> want = {{"prompt", "{ \"p\" : 1 }"},
                                        {"workflow", "{\"w\":1}"},
                                        {"o", "{\"b\": 1}"},
                                        {"seed", "7"},
                                        {"cfg", "7.5"},
                                        {"custom_metadata", "mine"},
                                        {"parameters", "steps: 20"}};
  BOOST_TEST(text.chunks == want, boost::test_tools::per_element());
  const std::vector<text_chunk> exif(want.begin(), want.end() - 1);
  BOOST_TEST(text.exif == exif, boost::test_tools::per_element());
  BOOST_TEST(text.comment == "steps: 20");
}

BOOST_AUTO_TEST_CASE(luna_metadata_writes_the_keys_of_the_multi_saver) {
  const auto text =
    text_of(parsed({{"luna_metadata", true},
                    {"prompt", "p"},
                    {"custom_metadata", "not beside metadata"},
                    {"metadata", {{"seed", 7}, {"sampler", "euler"}, {"name", "\u00e9"}}}}),
            facts);
  const std::string dump = R"({"seed": 7, "sampler": "euler", "name": "\u00e9"})";
  const std::vector<text_chunk> want = {{"prompt", "p"},
                                        {"generation_metadata", dump},
                                        {"gen_seed", "7"},
                                        {"gen_sampler", "euler"},
                                        {"gen_name", "\u00e9"},
                                        {"image_type", "FINAL"},
                                        {"model_name", "b"},
                                        {"model_path", "a/b"},
                                        {"save_timestamp", "2026_11_22_100000"},
                                        {"batch_index", "3"}};
  BOOST_TEST(text.chunks == want, boost::test_tools::per_element());
  const std::vector<text_chunk> exif = {{"prompt", "p"}};
  BOOST_TEST(text.exif == exif, boost::test_tools::per_element());
  BOOST_TEST(text.comment
             == "Image Type: FINAL, Model: b, Model Path: a/b, Timestamp: 2026_11_22_100000, "
                "Batch: 3, Generation Metadata: "
                  + dump);
}

BOOST_AUTO_TEST_CASE(custom_metadata_stands_where_there_is_no_metadata) {
  const auto text = text_of(
    parsed({{"luna_metadata", true}, {"metadata", json::object()}, {"custom_metadata", "mine"}}),
    facts);
  BOOST_TEST_REQUIRE(text.chunks.size() == 6u);
  BOOST_TEST(text.chunks[0] == (text_chunk{"custom_metadata", "mine"}));
  BOOST_TEST(text.comment.ends_with("Batch: 3, Custom: mine"));
}

BOOST_AUTO_TEST_CASE(parameters_take_the_comment_and_lunas_line_becomes_an_entry) {
  const auto text =
    text_of(parsed({{"luna_metadata", true}, {"parameters_text", "steps: 20"}}), facts);
  BOOST_TEST(text.comment == "steps: 20");
  BOOST_TEST_REQUIRE(text.exif.size() == 1u);
  BOOST_TEST(text.exif[0].key == "luna");
  BOOST_TEST(text.exif[0].text.starts_with("Image Type: FINAL"));
  BOOST_TEST(text.chunks.back() == (text_chunk{"parameters", "steps: 20"}));
}

BOOST_AUTO_TEST_CASE(without_embed_workflow_there_is_no_text_at_all) {
  BOOST_TEST(text_of(parsed({{"embed_workflow", false},
                             {"luna_metadata", true},
                             {"prompt", "p"},
                             {"extra_pnginfo", {{"workflow", "w"}}},
                             {"metadata", {{"seed", "7"}}},
                             {"parameters_text", "x"}}),
                     facts)
               .empty());
}

BOOST_AUTO_TEST_CASE(no_key_of_a_text_refuses_the_picture) {
  const std::string long_key(80, 'k');
  const std::string nul{"a\0b", 3};
  const auto fields = parsed({{"extra_pnginfo", {{"\u043a\u043b\u044e\u0447", "x"}, {nul, "y"}}},
                              {"metadata", {{long_key, "z"}, {"", "u"}, {"a\nb", "v"}}}});
  const std::vector<text_chunk> want = {
    {"\u043a\u043b\u044e\u0447", "x"}, {long_key, "z"}, {"a\nb", "v"}};
  BOOST_TEST(text_of(fields, facts).chunks == want, boost::test_tools::per_element());
  const std::vector<std::string> unwritable = {nul, ""};
  BOOST_TEST(fields.unwritable == unwritable, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(more_keys_than_a_picture_takes_are_refused) {
  json many = json::object();
  for (int i = 0; i < 256; ++i)
    many["k" + std::to_string(i)] = "x";
  BOOST_TEST(parsed({{"metadata", many}}).metadata.size() == 256u);
  BOOST_TEST(refusal({{"prompt", "p"}, {"metadata", many}}).find("257 keys") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
