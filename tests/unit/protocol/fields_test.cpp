#include <boost/test/unit_test.hpp>

#include <functional>

#include "protocol/fields.hpp"

namespace luna::protocol {

namespace {

enum class crop { center, none };

constexpr word<crop> crops[] = {{"center", crop::center}, {"none", crop::none}};

/// What a reader says after `read`; empty if all is well.
std::string problem_of(std::string_view text, const std::function<void(field_reader&)>& read,
                       std::string path = {}) {
  auto object = json::parse(text);
  field_reader in{object, std::move(path)};
  read(in);
  auto ok = in.finish();
  BOOST_TEST(in.ok() == ok.has_value());
  if (ok)
    return "";
  BOOST_TEST((ok.error().code == ec::bad_request));
  return ok.error().message;
}

} // namespace

BOOST_AUTO_TEST_SUITE(fields_test)

BOOST_AUTO_TEST_CASE(fields_of_each_type_are_read) {
  auto object = json::parse(R"({"text":"a","count":-3,"weight":0.5,"whole":2,"flag":true,)"
                            R"("list":[1],"map":{"k":1},"names":["a","b"],"crop":"none"})");
  field_reader in{object};
  BOOST_TEST(in.string("text") == "a");
  BOOST_TEST(in.integer("count") == -3);
  BOOST_TEST(in.number("weight") == 0.5);
  BOOST_TEST(in.number("whole") == 2.0);
  BOOST_TEST(in.boolean("flag"));
  BOOST_TEST(in.array("list")->size() == 1U);
  BOOST_TEST(in.object("map")->at("k") == 1);
  BOOST_TEST((in.strings_or_empty("names") == std::vector<std::string>{"a", "b"}));
  BOOST_TEST((in.choice_or("crop", crop::center, crops) == crop::none));
  BOOST_TEST(in.finish().has_value());
}

BOOST_AUTO_TEST_CASE(absent_and_null_fields_take_the_fallback) {
  for (auto* text : {"{}", R"({"a":null})"}) {
    auto object = json::parse(text);
    field_reader in{object};
    BOOST_TEST(in.string_or("a", "fallback") == "fallback");
    BOOST_TEST(in.integer_or("a", 7, {0, 9}) == 7);
    BOOST_TEST(in.number_or("a", 0.25) == 0.25);
    BOOST_TEST(in.boolean_or("a", true));
    BOOST_TEST((in.choice_or("a", crop::none, crops) == crop::none));
    BOOST_TEST(!in.optional_string("a").has_value());
    BOOST_TEST(!in.optional_integer("a").has_value());
    BOOST_TEST(!in.optional_number("a").has_value());
    BOOST_TEST(!in.optional_boolean("a").has_value());
    BOOST_TEST(in.strings_or_empty("a").empty());
    BOOST_TEST(in.array("a") == nullptr);
    BOOST_TEST(in.object("a") == nullptr);
    BOOST_TEST(in.value("a") == nullptr);
    BOOST_TEST(in.finish().has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(null_and_absent_can_be_told_apart) {
  auto object = json::parse(R"({"negative":null})");
  field_reader in{object};
  BOOST_TEST(in.is_null("negative"));
  BOOST_TEST(in.has("negative"));
  BOOST_TEST(!in.is_null("positive"));
  BOOST_TEST(!in.has("positive"));
  BOOST_TEST(in.finish().has_value());
}

BOOST_AUTO_TEST_CASE(a_required_field_must_be_there_and_not_null) {
  BOOST_TEST(problem_of("{}", [](auto& in) { in.string("text"); })
             == "'text' must be a text; it is missing");
  BOOST_TEST(problem_of(R"({"text":null})", [](auto& in) { in.string("text"); })
             == "'text' must be a text; it is null");
  BOOST_TEST(problem_of("{}", [](auto& in) { in.integer("n", {1, 5}); })
             == "'n' must be a whole number from 1 to 5; it is missing");
  BOOST_TEST(problem_of("{}", [](auto& in) { in.number("n"); })
             == "'n' must be a finite number; it is missing");
  BOOST_TEST(problem_of("{}", [](auto& in) { in.boolean("n"); })
             == "'n' must be true or false; it is missing");
}

BOOST_AUTO_TEST_CASE(a_text_is_a_text_and_not_too_long) {
  BOOST_TEST(problem_of(R"({"a":5})", [](auto& in) { in.string_or("a", ""); })
             == "'a' must be a text; it is 5");
  BOOST_TEST(problem_of(R"({"a":"12345"})", [](auto& in) { in.string_or("a", "", 4); })
             == "'a' must be a text of at most 4 bytes; it is \"12345\"");
  BOOST_TEST(problem_of(R"({"a":"1234"})", [](auto& in) { in.string_or("a", "", 4); }) == "");
}

BOOST_AUTO_TEST_CASE(a_whole_number_is_no_text_no_fraction_no_boolean_and_in_its_range) {
  auto read = [](auto& in) { in.integer_or("n", 1, {1, 16384}); };
  for (auto* wrong : {R"("512")", "512.0", "0.5", "true", "[1]", "{}", "0", "-1", "16385",
                      "18446744073709551615"})
    BOOST_TEST(problem_of("{\"n\":" + std::string{wrong} + "}", read)
                 .starts_with("'n' must be a whole number from 1 to 16384; it is "),
               wrong);
  for (auto* right : {"1", "16384"})
    BOOST_TEST(problem_of("{\"n\":" + std::string{right} + "}", read) == "", right);
  auto any = [](auto& in) { in.integer_or("n", 1); };
  BOOST_TEST(problem_of(R"({"n":18446744073709551615})", any)
             == "'n' must be a whole number; it is 18446744073709551615");
  BOOST_TEST(problem_of(R"({"n":-9223372036854775808})", any) == "");
  BOOST_TEST(problem_of(R"({"n":-1})", [](auto& in) { in.integer_or("n", 0, {.min = 0}); })
             == "'n' must be a whole number of at least 0; it is -1");
  BOOST_TEST(problem_of(R"({"n":1})", [](auto& in) { in.integer_or("n", 0, {.max = 0}); })
             == "'n' must be a whole number of at most 0; it is 1");
}

BOOST_AUTO_TEST_CASE(a_number_is_finite_and_in_its_range) {
  auto read = [](auto& in) { in.number_or("x", 0, {0, 1.5}); };
  BOOST_TEST(problem_of(R"({"x":1.5})", read) == "");
  BOOST_TEST(problem_of(R"({"x":0})", read) == "");
  BOOST_TEST(problem_of(R"({"x":1.6})", read) == "'x' must be a number from 0 to 1.5; it is 1.6");
  BOOST_TEST(problem_of(R"({"x":"1"})", read) == "'x' must be a number from 0 to 1.5; it is \"1\"");
  BOOST_TEST(problem_of(R"({"x":false})", read) != "");
  json infinite{{"x", std::numeric_limits<double>::infinity()}};
  field_reader in{infinite};
  in.number("x");
  BOOST_TEST(!in.ok());
}

BOOST_AUTO_TEST_CASE(a_flag_is_no_number_and_no_text) {
  for (auto* wrong : {"1", "0", R"("true")", "[]"})
    BOOST_TEST(
      problem_of("{\"a\":" + std::string{wrong} + "}", [](auto& in) { in.boolean_or("a", false); })
        .starts_with("'a' must be true or false; it is "),
      wrong);
}

BOOST_AUTO_TEST_CASE(a_word_is_one_of_a_list) {
  auto read = [](auto& in) { in.choice_or("crop", crop::center, crops); };
  BOOST_TEST(problem_of(R"({"crop":"left"})", read)
             == "'crop' must be one of \"center\", \"none\"; it is \"left\"");
  BOOST_TEST(problem_of(R"({"crop":1})", read)
             == "'crop' must be one of \"center\", \"none\"; it is 1");
}

BOOST_AUTO_TEST_CASE(arrays_and_objects_are_what_they_are) {
  BOOST_TEST(problem_of(R"({"a":{}})", [](auto& in) { in.array("a"); })
             == "'a' must be an array; it is an object");
  BOOST_TEST(problem_of(R"({"a":[1,2]})", [](auto& in) { in.array("a", 1); })
             == "'a' must be an array of at most 1; it is an array of 2");
  BOOST_TEST(problem_of(R"({"a":[]})", [](auto& in) { in.object("a"); })
             == "'a' must be an object; it is an array of 0");
  BOOST_TEST(problem_of(R"({"a":["x",2]})", [](auto& in) { in.strings_or_empty("a"); })
             == "'a[1]' must be a text of at most 1024 bytes; it is 2");
  BOOST_TEST(problem_of(R"({"a":"x"})", [](auto& in) { in.strings_or_empty("a", 3); })
             == "'a' must be an array of at most 3; it is \"x\"");
}

BOOST_AUTO_TEST_CASE(an_unknown_field_is_refused_with_the_nearest_known_one) {
  auto read = [](auto& in) {
    in.integer_or("tile_size", 512);
    in.integer_or("overlap", 64);
  };
  BOOST_TEST(problem_of(R"({"tile_sise":512})", read)
             == "'tile_sise' is not a field of this request, did you mean 'tile_size'?");
  BOOST_TEST(problem_of(R"({"zzz":null})", read) == "'zzz' is not a field of this request");
  auto hostile = problem_of("{\"" + std::string(100000, 'x') + "\":1}", read);
  BOOST_TEST(hostile.size() < 200U);
}

BOOST_AUTO_TEST_CASE(the_first_problem_stays) {
  auto read = [](auto& in) {
    in.integer("a");
    in.string("b");
    in.refuse(failure{ec::bad_request, "third", 0, {}});
  };
  BOOST_TEST(problem_of(R"({"a":"x","b":1,"c":2})", read)
             == "'a' must be a whole number; it is \"x\"");
}

BOOST_AUTO_TEST_CASE(messages_name_the_object_that_the_field_is_in) {
  BOOST_TEST(problem_of(
               R"({"format":1})", [](auto& in) { in.string("format"); }, "images[2]")
             == "'images[2].format' must be a text; it is 1");
  BOOST_TEST(problem_of(
               R"([1])", [](auto& in) { in.string("format"); }, "images[2]")
             == "'images[2]' must be an object; it is an array of 1");
}

BOOST_AUTO_TEST_CASE(a_long_value_is_cut_at_a_character) {
  auto text = describe(json(std::string(39, 'x') + "\xc3\xa4yz"));
  BOOST_TEST(text == "\"" + std::string(39, 'x') + "\"... (43 bytes)");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::protocol
