#include <boost/test/unit_test.hpp>

#include <fstream>

#include "imaging/json_dumps.hpp"

using luna::imaging::json_dumps;
using luna::imaging::python_float_repr;
using nlohmann::ordered_json;

BOOST_AUTO_TEST_SUITE(json_dumps_test)

BOOST_AUTO_TEST_CASE(texts_equal_those_that_python_made) {
  // Pairs of compact JSON and Python's json.dumps of it, made with Python 3.11.
  std::ifstream in{LUNA_TEST_DATA "/python_json_dumps.json"};
  const auto cases = ordered_json::parse(in);
  BOOST_TEST_REQUIRE(cases.size() > 90u);
  for (const auto& one : cases) {
    const auto text = one.at(0).get<std::string>();
    BOOST_TEST(json_dumps(ordered_json::parse(text)) == one.at(1).get<std::string>());
  }
}

BOOST_AUTO_TEST_CASE(the_order_of_keys_is_kept) {
  BOOST_TEST(json_dumps(ordered_json::parse(R"({"z":1,"a":{"y":2,"b":3}})"))
             == R"({"z": 1, "a": {"y": 2, "b": 3}})");
}

BOOST_AUTO_TEST_CASE(floats_switch_to_exponents_where_python_does) {
  BOOST_TEST(python_float_repr(9999999999999998.0) == "9999999999999998.0");
  BOOST_TEST(python_float_repr(1e16) == "1e+16");
  BOOST_TEST(python_float_repr(0.0001) == "0.0001");
  BOOST_TEST(python_float_repr(0.00001) == "1e-05");
  BOOST_TEST(python_float_repr(-0.0) == "-0.0");
  BOOST_TEST(python_float_repr(1e100) == "1e+100");
  BOOST_TEST(python_float_repr(5e-324) == "5e-324");
}

BOOST_AUTO_TEST_SUITE_END()
