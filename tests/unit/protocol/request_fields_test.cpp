#include <boost/test/unit_test.hpp>

#include "protocol/request_fields.hpp"

namespace luna::protocol {

namespace {

constexpr common_use everything{common_use::model_use::optional, true, true};

result<common_fields> read(std::string_view text, const common_use& use = everything) {
  auto header = json::parse(text);
  field_reader in{header};
  auto common = read_common_fields(in, use);
  if (auto ok = in.finish(); !ok)
    return fail(ok);
  return common;
}

std::string problem_of(std::string_view text, const common_use& use = everything) {
  auto common = read(text, use);
  return common ? "" : common.error().message;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace

BOOST_AUTO_TEST_SUITE(request_fields_test)

BOOST_AUTO_TEST_CASE(everything_but_cmd_has_a_default) {
  auto common = read(R"({"cmd":"vae_decode"})");
  BOOST_REQUIRE(common.has_value());
  BOOST_TEST(common->cmd == "vae_decode");
  BOOST_TEST(!common->model.has_value());
  BOOST_TEST(common->deadline.count() == 120000);
  BOOST_TEST(common->priority == 0);
  BOOST_TEST(!common->reply_type.has_value());
  BOOST_TEST(!common->progress);
}

BOOST_AUTO_TEST_CASE(all_common_fields_are_read) {
  auto common = read(R"({"cmd":"vae_decode","model":"sub\\sd15.safetensors","deadline_ms":3600000,)"
                     R"("priority":-1,"dtype":"bf16","progress":true,"loras":[]})");
  BOOST_REQUIRE(common.has_value());
  BOOST_TEST((common->model == model_field{{"sub/sd15.safetensors"}, ""}));
  BOOST_TEST(common->deadline.count() == 3600000);
  BOOST_TEST(common->priority == -1);
  BOOST_TEST((common->reply_type == dtype::bf16));
  BOOST_TEST(common->progress);
}

BOOST_AUTO_TEST_CASE(a_model_may_be_several_files_with_a_type) {
  auto common = read(R"({"cmd":"clip_encode","model":{"type":"sdxl","files":["l.safetensors",)"
                     R"("sub\\g.safetensors"]}})");
  BOOST_REQUIRE(common.has_value());
  BOOST_TEST((common->model == model_field{{"l.safetensors", "sub/g.safetensors"}, "sdxl"}));
}

BOOST_AUTO_TEST_CASE(a_model_that_is_neither_is_refused) {
  for (auto* model : {"1", "[]", R"("")", R"("a\u0000b")", R"("a\nb")", "true"})
    BOOST_TEST(contains(problem_of(R"({"cmd":"c","model":)" + std::string{model} + "}"),
                        "'model' must be the name of a model"),
               model);
  BOOST_TEST(contains(problem_of(R"({"cmd":"c","model":{"files":["a"]}})"), "'model.type'"));
  for (auto* files :
       {"[]", R"([""])", R"(["1","2","3","4","5","6","7","8","9"])", R"([1])", "null"})
    BOOST_TEST(
      contains(problem_of(R"({"cmd":"c","model":{"type":"t","files":)" + std::string{files} + "}}"),
               "'model.files"),
      files);
  BOOST_TEST(contains(problem_of(R"({"cmd":"c","model":{"type":"t","files":["a"],"file":"b"}})"),
                      "'model.file' is not a field"));
}

BOOST_AUTO_TEST_CASE(a_required_model_must_be_there) {
  common_use use{common_use::model_use::required};
  BOOST_TEST(contains(problem_of(R"({"cmd":"c"})", use), "'model' must be"));
  BOOST_TEST(problem_of(R"({"cmd":"c","model":"m"})", use) == "");
}

BOOST_AUTO_TEST_CASE(fields_that_a_command_does_not_have_are_unknown) {
  for (auto* field : {R"("model":"m")", R"("dtype":"f32")", R"("loras":[])"})
    BOOST_TEST(contains(problem_of(R"({"cmd":"ping",)" + std::string{field} + "}", {}),
                        "is not a field of this request"),
               field);
}

BOOST_AUTO_TEST_CASE(loras_are_refused_and_never_left_out_in_silence) {
  BOOST_TEST(contains(problem_of(R"({"cmd":"c","loras":[{"name":"x","strength":1}]})"),
                      "does not apply LoRA yet"));
  BOOST_TEST(contains(problem_of(R"({"cmd":"c","loras":"x"})"), "'loras' must be an array"));
  BOOST_TEST(problem_of(R"({"cmd":"c","loras":null})") == "");
}

BOOST_AUTO_TEST_CASE(ranges_are_kept) {
  for (auto* field : {R"("deadline_ms":0)", R"("deadline_ms":-5)", R"("deadline_ms":86400001)",
                      R"("deadline_ms":"5")", R"("priority":2)", R"("priority":-2)",
                      R"("priority":0.5)", R"("dtype":"f64")", R"("dtype":7)", R"("progress":1)"})
    BOOST_TEST(problem_of(R"({"cmd":"c",)" + std::string{field} + "}") != "", field);
}

BOOST_AUTO_TEST_CASE(the_command_of_a_header_is_a_text) {
  auto good = json::parse(R"({"cmd":"ping"})");
  BOOST_TEST(command_of(good).value() == "ping");
  for (auto* text : {"{}", R"({"cmd":1})", R"({"cmd":null})", R"({"cmd":["ping"]})"}) {
    auto header = json::parse(text);
    auto cmd = command_of(header);
    BOOST_REQUIRE(!cmd.has_value());
    BOOST_TEST((cmd.error().code == ec::bad_request));
    BOOST_TEST(contains(cmd.error().message, "'cmd'"));
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::protocol
