#include <boost/test/unit_test.hpp>

#include <cmath>
#include <ctime>
#include <ostream>

#include "models/prompt/prompt_grammar.hpp"

using namespace luna;
using namespace luna::models;

namespace {

using segments = std::vector<prompt_segment>;

std::string show(const segments& all) {
  std::string text;
  for (auto& x : all)
    text += "[" + x.text + "|" + std::to_string(x.weight) + "]";
  return text;
}

void check(std::string_view prompt, const segments& want) {
  auto got = parse_prompt(prompt);
  BOOST_REQUIRE(got.has_value());
  BOOST_CHECK_MESSAGE(*got == want,
                      "'" << prompt << "' gives " << show(*got) << " instead of " << show(want));
}

} // namespace

BOOST_AUTO_TEST_SUITE(prompt_grammar_test)

BOOST_AUTO_TEST_CASE(a_group_multiplies_and_a_number_sets) {
  check("a (b) c", {{"a ", 1.0}, {"b", 1.1}, {" c", 1.0}});
  check("((b))", {{"b", 1.1 * 1.1}});
  check("(b:0.5)", {{"b", 0.5}});
  check("(a (b:1.4) c:0.8)", {{"a ", 0.8}, {"b", 1.4}, {" c", 0.8}});
  check("((a:2))", {{"a", 2.0}});
  check("(a (b):3)", {{"a ", 3.0}, {"b", 3.0 * 1.1}});
}

BOOST_AUTO_TEST_CASE(what_is_no_group_is_text) {
  check("", {});
  check("()", {});
  check("(a", {{"(a", 1.0}});
  check("a)", {{"a)", 1.0}});
  check("a) (b)", {{"a) (b)", 1.0}});
  check("a) ( (b) c", {{"a) ( ", 1.0}, {"b", 1.1}, {" c", 1.0}});
  check("[a] {b}", {{"[a] {b}", 1.0}});
  check("a:1.5", {{"a:1.5", 1.0}});
}

BOOST_AUTO_TEST_CASE(an_unfinished_group_that_ends_in_a_parenthesis_counts_as_one) {
  check("((a)", {{"(a", 1.1}});
}

BOOST_AUTO_TEST_CASE(escaped_parentheses_are_text) {
  check(R"(\(a\))", {{"(a)", 1.0}});
  check(R"((\(a\):2))", {{"(a)", 2.0}});
  check(R"(\\(a)", {{R"(\(a)", 1.0}});
  check(R"((a:2\)))", {{"a:2)", 1.1}});
  check(R"(a\b)", {{R"(a\b)", 1.0}});
}

BOOST_AUTO_TEST_CASE(only_the_last_colon_counts_and_only_after_some_text) {
  check("(a:1:2)", {{"a:1", 2.0}});
  check("(:2)", {{":2", 1.1}});
  check("(a:)", {{"a:", 1.1}});
  check("(a:b)", {{"a:b", 1.1}});
  check("(a:2 )", {{"a", 2.0}});
}

BOOST_AUTO_TEST_CASE(numbers_are_what_pythons_float_takes) {
  auto is = [](std::string_view text, double want) {
    auto got = python_float(text);
    BOOST_CHECK_MESSAGE(got && *got == want, "'" << text << "'");
  };
  is("1.5", 1.5);
  is(" \t1.5\n", 1.5);
  is("\xe3\x80\x80"
     "2",
     2);                 // ideographic space
  is("\x1c\xd9\xa3", 3); // of other scripts Python strips more
  is("+.5", 0.5);
  is("-5.", -5);
  is("1e-1", 0.1);
  is("1E+2", 100);
  is("1_000.5_0", 1000.5);
  is("\xd9\xa3", 3);                    // ARABIC-INDIC DIGIT THREE
  is("\xef\xbc\x91.\xef\xbc\x92", 1.2); // fullwidth
  is("\xf0\x9d\x9f\x9a", 2);            // MATHEMATICAL DOUBLE-STRUCK DIGIT TWO
  is("inf", INFINITY);
  is("-Infinity", -INFINITY);
  is("1e999", INFINITY);
  is("1e-999", 0);
  BOOST_TEST((python_float("NaN") && std::isnan(*python_float("NaN"))));
}

BOOST_AUTO_TEST_CASE(what_pythons_float_refuses_is_no_number) {
  for (auto text :
       {"",  " ",  "a",  "1a",  "1 2",  "--1", "1__0",    "_1",   "1_",    "1_.5", "1._5",
        ".", "e5", "1e", "1e+", "0x10", "1,5", "infinit", "in f", "1.5.2", "\xff", "(1)"})
    BOOST_CHECK_MESSAGE(!python_float(text), "'" << text << "' is taken for a number");
  BOOST_TEST(!python_float(std::string_view{"1\0", 2}));
  BOOST_TEST(!python_float("1\x1c"));
}

BOOST_AUTO_TEST_CASE(a_weight_that_is_infinite_in_f32_is_refused_with_its_place) {
  auto refused = [](std::string_view text, std::string_view place) {
    auto got = parse_prompt(text);
    BOOST_REQUIRE_MESSAGE(!got, "'" << text << "' is taken");
    BOOST_TEST((got.error().code == ec::bad_request));
    BOOST_CHECK_MESSAGE(got.error().message.find(place) != std::string::npos, got.error().message);
  };
  refused("a (cat:1e39) b", "gives 'cat' the weight 1e+39");
  refused("(cat:-1e39)", "gives 'cat' the weight -1e+39");
  refused("(cat:inf)", "gives 'cat' the weight inf");
  refused("(cat:nan)", "gives 'cat' the weight");
  refused("((cat):3.3e38)", "gives 'cat' the weight 3.63e+38"); // nested: 1.1 times
  refused("(a cat (\\(b\\):2):1e39)", "gives 'a cat ' the weight 1e+39");
  refused("(" + std::string(100, 'x') + "\xc3\xa9:1e39)", "xxx...'");
  check("(cat:3e38)", {{"cat", 3e38}});
  check("((cat:1):1e39)", {{"cat", 1.0}}); // nothing has the outer weight
}

BOOST_AUTO_TEST_CASE(bounds_are_told) {
  auto refused = [](const std::string& text) {
    auto got = parse_prompt(text);
    BOOST_REQUIRE(!got);
    BOOST_TEST((got.error().code == ec::bad_request));
  };
  refused(std::string(max_prompt_bytes + 1, 'a'));
  refused(std::string(2000, '(') + "a" + std::string(2000, ')'));
  refused("caf\xe9");
  refused("\xed\xa0\x80"); // a surrogate
  auto deep = parse_prompt(std::string(900, '(') + "a" + std::string(900, ')'));
  BOOST_REQUIRE(deep.has_value());
  BOOST_TEST(deep->at(0).text == "a");
}

BOOST_AUTO_TEST_CASE(the_worst_prompts_are_refused_before_they_cost_much) {
  auto begin = std::clock();
  auto is_refused = [](const std::string& prompt) {
    auto got = parse_prompt(prompt);
    return !got && got.error().code == ec::bad_request;
  };
  std::string open(990, '(');
  std::string close(990, ')');
  BOOST_TEST(is_refused(open + ":" + std::string(max_prompt_bytes - 3000, 'x') + close));
  std::string pairs = open;
  while (pairs.size() < max_prompt_bytes - 2000)
    pairs += "()";
  BOOST_TEST(is_refused(pairs + close));
  BOOST_TEST(parse_prompt(std::string(max_prompt_bytes, ')')).has_value());
  BOOST_TEST(is_refused(open + std::string(4000, 'x') + close)); // 1.1 to the 990th
  BOOST_TEST(parse_prompt(std::string(800, '(') + std::string(4000, 'x') + std::string(800, ')'))
               .has_value());
  auto seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  BOOST_TEST(seconds < 5.0); // of the processor; some 0.1
}

BOOST_AUTO_TEST_SUITE_END()
