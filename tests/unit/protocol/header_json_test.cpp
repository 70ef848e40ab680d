#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cmath>

#include "protocol/header_json.hpp"

namespace luna::protocol {

namespace {

/// The code with which a text is refused; "fine" if it is not.
std::string verdict(std::string_view text, const json_limits& limits = {}) {
  auto header = parse_header(text, limits);
  return header ? "fine" : std::string{to_string(header.error().code)};
}

std::string nested(size_t levels, char open, char close) {
  return std::string(levels, open) + std::string(levels, close);
}

json value_of(std::string_view text) {
  auto header = parse_header("{\"x\":" + std::string{text} + "}");
  BOOST_REQUIRE_MESSAGE(header.has_value(), text << ": " << header.error().message);
  return (*header)["x"];
}

} // namespace

BOOST_AUTO_TEST_SUITE(header_json_test)

BOOST_AUTO_TEST_CASE(all_kinds_of_values_are_read_in_their_order) {
  auto header =
    parse_header(" {\"z\" : [1, -2, 3.5, true, false, null, \"t\", {}, []],\n\t\"a\":{\"b\""
                 ":{\"c\":1}} }\r\n");
  BOOST_REQUIRE(header.has_value());
  BOOST_TEST(header->dump() == R"({"z":[1,-2,3.5,true,false,null,"t",{},[]],"a":{"b":{"c":1}}})");
}

BOOST_AUTO_TEST_CASE(what_is_no_json_object_breaks_the_frame) {
  for (auto* text : {"",
                     " ",
                     "[]",
                     "1",
                     "null",
                     "\"x\"",
                     "NaN",
                     "{",
                     "}",
                     "{]",
                     "{}}",
                     "{} {}",
                     "{}x",
                     "{\"a\"}",
                     "{\"a\":}",
                     "{\"a\":1,}",
                     "{,}",
                     "{a:1}",
                     "{'a':1}",
                     "{\"a\" 1}",
                     "{\"a\":1 \"b\":2}",
                     "{\"a\":[1,]}",
                     "{\"a\":[1}",
                     "{\"a\":[1 2]}",
                     "{\"a\":tru}",
                     "{\"a\":True}",
                     "{\"a\":nan}",
                     "{\"a\":undefined}",
                     "{\"a\":\"",
                     "{\"a\":\"\\",
                     "{\"a\":\"\\x\"}",
                     "{\"a\":\"\\u12\"}",
                     "{\"a\":\"\\u12g4\"}",
                     "{\"a\":\"\\u+123\"}",
                     "{\"a\":\"\n\"}",
                     "{\"a\":01}",
                     "{\"a\":+1}",
                     "{\"a\":.5}",
                     "{\"a\":1.}",
                     "{\"a\":1e}",
                     "{\"a\":1e+}",
                     "{\"a\":-}",
                     "{\"a\":0x10}",
                     "{\"a\":1_000}",
                     "/**/{}",
                     "{\"a\":1}//",
                     "\xef\xbb\xbf{}",
                     "{\"a\":--1}"})
    BOOST_TEST(verdict(text) == "bad_frame", "text: " << text);
  BOOST_TEST(verdict(std::string_view{"{}\0", 3}) == "bad_frame");
}

BOOST_AUTO_TEST_CASE(every_cut_of_a_header_is_refused) {
  std::string text = R"({"a":[1.5e3,"\u00e4\n"],"b":{"c":null,"d":true}})";
  BOOST_TEST(verdict(text) == "fine");
  for (size_t n = 0; n < text.size(); ++n)
    BOOST_TEST(verdict(std::string_view{text}.substr(0, n)) == "bad_frame", "cut at " << n);
}

BOOST_AUTO_TEST_CASE(sixty_four_levels_are_read_and_one_more_is_not) {
  BOOST_TEST(verdict("{\"x\":" + nested(63, '[', ']') + "}") == "fine");
  BOOST_TEST(verdict("{\"x\":" + nested(64, '[', ']') + "}") == "bad_frame");
  std::string objects;
  for (auto i = 0; i < 63; ++i)
    objects += "{\"x\":";
  BOOST_TEST(verdict(objects + "{}" + std::string(63, '}')) == "fine");
  BOOST_TEST(verdict("{\"x\":" + objects + "{}" + std::string(64, '}')) == "bad_frame");
}

BOOST_AUTO_TEST_CASE(a_million_levels_do_not_exhaust_the_stack) {
  BOOST_TEST(verdict("{\"x\":" + std::string(1000000, '[')) == "bad_frame");
}

BOOST_AUTO_TEST_CASE(nan_and_infinity_fail_the_request_only) {
  for (auto* text : {"NaN", "Infinity", "-Infinity"}) {
    BOOST_TEST(verdict("{\"a\":" + std::string{text} + "}") == "bad_request", text);
    BOOST_TEST(verdict("{\"a\":[1," + std::string{text} + ",2],\"b\":3}") == "bad_request", text);
    BOOST_TEST(verdict("{\"a\":" + std::string{text} + "x}") == "bad_frame", text);
  }
}

BOOST_AUTO_TEST_CASE(lone_surrogates_fail_the_request_only) {
  for (auto* text : {R"(\ud800)", R"(\udc00)", R"(\ud800x)", R"(\ud800\n)", R"(\ud800\u0041)",
                     R"(\ud800\ud800)", R"(\udc00\ud800)", "\xed\xa0\x80", "\xed\xbf\xbf"}) {
    BOOST_TEST(verdict("{\"a\":\"" + std::string{text} + "\"}") == "bad_request", text);
    BOOST_TEST(verdict("{\"" + std::string{text} + "\":1}") == "bad_request", text);
  }
}

BOOST_AUTO_TEST_CASE(what_breaks_the_frame_counts_more_than_what_fails_the_request) {
  BOOST_TEST(verdict(R"({"a":NaN)") == "bad_frame");
  BOOST_TEST(verdict(R"({"a":"\ud800","b":})") == "bad_frame");
}

BOOST_AUTO_TEST_CASE(pairs_of_surrogates_are_one_character) {
  BOOST_TEST(value_of(R"("\ud83d\ude00")").get<std::string>() == "\xf0\x9f\x98\x80");
  BOOST_TEST(value_of(R"("\uD83D\uDE00")").get<std::string>() == "\xf0\x9f\x98\x80");
}

BOOST_AUTO_TEST_CASE(escapes_mean_what_json_says) {
  BOOST_TEST(value_of(R"("\"\\\/\b\f\n\r\t\u0041\u00e4\u20ac\u0000")").get<std::string>()
             == std::string("\"\\/\b\f\n\r\tA\xc3\xa4\xe2\x82\xac\0", 15));
}

BOOST_AUTO_TEST_CASE(bytes_that_are_not_utf8_break_the_frame) {
  for (auto* text :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x80\x80", "\xe2\x82",
        "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xf0\x9f\x98"})
    BOOST_TEST(verdict("{\"a\":\"" + std::string{text} + "\"}") == "bad_frame");
  for (auto* text : {"\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
                     "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    BOOST_TEST(value_of("\"" + std::string{text} + "\"").get<std::string>() == text);
}

BOOST_AUTO_TEST_CASE(whole_numbers_have_sixty_four_bits) {
  BOOST_TEST((value_of("0") == 0));
  BOOST_TEST(value_of("-0").is_number_integer());
  BOOST_TEST(value_of("18446744073709551615").get<uint64_t>() == ~uint64_t{0});
  BOOST_TEST(value_of("-9223372036854775808").get<int64_t>() == INT64_MIN);
  BOOST_TEST(verdict("{\"a\":18446744073709551616}") == "bad_request");
  BOOST_TEST(verdict("{\"a\":-9223372036854775809}") == "bad_request");
  BOOST_TEST(verdict("{\"a\":" + std::string(100000, '9') + "}") == "bad_request");
}

BOOST_AUTO_TEST_CASE(numbers_with_a_point_or_an_exponent_are_doubles) {
  BOOST_TEST(value_of("1.0").is_number_float());
  BOOST_TEST(value_of("1e2").get<double>() == 100.0);
  BOOST_TEST(value_of("-1.25E-2").get<double>() == -0.0125);
  BOOST_TEST(value_of("0.1").get<double>() == 0.1);
  BOOST_TEST(value_of("1.7976931348623157e308").get<double>() == 1.7976931348623157e308);
  BOOST_TEST(value_of("5e-324").get<double>() == 5e-324);
  BOOST_TEST(std::signbit(value_of("-0.0").get<double>()));
}

BOOST_AUTO_TEST_CASE(a_double_that_is_too_large_fails_the_request_and_one_too_small_is_zero) {
  for (auto* text : {"1e309", "-1e400", "1e99999999999999999999", "2e308", "0.01e311",
                     "100000000000000000000000e300"})
    BOOST_TEST(verdict("{\"a\":" + std::string{text} + "}") == "bad_request", text);
  for (auto* text : {"1e-400", "1e-99999999999999999999", "0.000001e-320", "1e-324", "0e999",
                     "0.000e99999999999999999999"})
    BOOST_TEST(value_of(text).get<double>() == 0.0, text);
  BOOST_TEST(std::signbit(value_of("-1e-400").get<double>()));
}

BOOST_AUTO_TEST_CASE(of_equal_keys_the_last_counts_at_the_place_of_the_first) {
  auto few = parse_header(R"({"a":1,"b":2,"a":3,"c":{"d":1,"d":2},"a":[4]})");
  BOOST_REQUIRE(few.has_value());
  BOOST_TEST(few->dump() == R"({"a":[4],"b":2,"c":{"d":2}})");
  std::string text = "{";
  for (auto i = 0; i < 50; ++i)
    text += "\"k" + std::to_string(i % 20) + "\":" + std::to_string(i) + ",";
  auto many = parse_header(text + "\"last\":0}");
  BOOST_REQUIRE(many.has_value());
  BOOST_TEST(many->size() == 21U);
  BOOST_TEST((*many)["k0"] == 40);
  BOOST_TEST((*many)["k19"] == 39);
  BOOST_TEST(many->begin().key() == "k0");
}

BOOST_AUTO_TEST_CASE(a_header_of_many_fields_takes_linear_time) {
  std::string text = "{";
  for (auto i = 0; i < 300000; ++i)
    text += "\"" + std::to_string(i) + "\":0,";
  text += "\"x\":1}";
  auto start = std::chrono::steady_clock::now();
  BOOST_TEST(verdict(text) == "fine");
  // Looking through all members for each new one takes minutes.
  BOOST_TEST((std::chrono::steady_clock::now() - start < std::chrono::seconds{20}));
}

BOOST_AUTO_TEST_CASE(there_is_a_limit_to_the_number_of_values) {
  BOOST_TEST(verdict(R"({"a":[1,2,3]})", {.values = 5}) == "fine");
  BOOST_TEST(verdict(R"({"a":[1,2,3]})", {.values = 4}) == "bad_request");
  std::string text = "{\"a\":[";
  for (auto i = 0; i < 1000000; ++i)
    text += "0,";
  BOOST_TEST(verdict(text + "0]}") == "bad_request");
}

BOOST_AUTO_TEST_CASE(a_refusal_names_the_place) {
  auto header = parse_header(R"({"a":1,"b":NaN})");
  BOOST_TEST(header.error().message.find("at byte 11") != std::string::npos,
             header.error().message);
}

BOOST_AUTO_TEST_CASE(what_is_dumped_is_read_again) {
  json header = {{"b", "\xf0\x9f\x98\x80\"\\\n"}, {"a", {1, -1, 0.1, true, nullptr}}};
  auto read = parse_header(dump_header(header));
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST((*read == header));
}

BOOST_AUTO_TEST_CASE(a_dump_is_that_of_the_library) {
  for (auto* text :
       {"{}", "[]", "[[],{}]", R"({"a":{"b":[1,-2,{"c":null}],"d":true},"e":false})",
        R"([0,-1,18446744073709551615,-9223372036854775808,1.0,0.1,1e300,-0.0,5e-324,100000.0])",
        R"(["","plain","quote\"","back\\slash","tab\t","nul\u0000","\u001f","\u007f","ä€😀"])",
        R"({"ä":1,"a\"b":2,"":3})"}) {
    auto value = json::parse(text);
    BOOST_TEST(dump_header(value) == value.dump(), text);
  }
}

BOOST_AUTO_TEST_CASE(a_special_character_is_found_at_every_place_of_a_text) {
  for (auto* special :
       {"\"", "\\", "\n", "\x01", "\x1f", "\x7f", "\xc3\xa4", "\xff", " ", "!", "[", "]"})
    for (size_t before = 0; before < 20; ++before)
      for (size_t after : {0, 1, 7, 8, 20}) {
        json value{{"x", std::string(before, 'a') + special + std::string(after, 'z')}};
        auto dumped = dump_header(value);
        BOOST_TEST(dumped == value.dump(-1, ' ', false, json::error_handler_t::replace));
        auto read = parse_header(dumped);
        BOOST_REQUIRE_MESSAGE(read.has_value(), dumped);
        BOOST_TEST((*read == json::parse(dumped)));
      }
}

BOOST_AUTO_TEST_CASE(bytes_that_are_not_utf8_are_dumped_as_replacement_characters) {
  BOOST_TEST(dump_header(json{{"file", "a\xff.png"}}) == "{\"file\":\"a\xef\xbf\xbd.png\"}");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::protocol
