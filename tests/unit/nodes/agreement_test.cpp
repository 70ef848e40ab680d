#include <boost/test/unit_test.hpp>

#include "nodes/agreement.hpp"

using namespace luna;

namespace {

cluster_configuration parsed(const std::string& text) {
  auto x = parse_configuration(text);
  BOOST_REQUIRE_MESSAGE(x.has_value(), (x ? "" : x.error().message));
  return x->value;
}

constexpr auto two_nodes =
  "nodes = [ { name = \"alpha\", port = 1 }, { name = \"beta\", port = 2 } ]\n";

std::string value(const std::string& text, const std::string& key) {
  return agreement_of(parsed(two_nodes + text)).at(key);
}

} // namespace

BOOST_AUTO_TEST_SUITE(agreement_test)

BOOST_AUTO_TEST_CASE(nodes_agree_on_their_names_and_order) {
  BOOST_CHECK_EQUAL(value("", "nodes"), "alpha, beta");
}

BOOST_AUTO_TEST_CASE(nodes_agree_on_pools_aliases_and_the_saving_node) {
  BOOST_CHECK_EQUAL(
    value("pools = [ { name = \"t\", kind = \"text\", node = \"beta\" } ]\n", "pools"),
    "t (text) on beta");
  BOOST_CHECK_EQUAL(value("", "saving.node"), "alpha");
  BOOST_CHECK_EQUAL(value("saving { node = \"beta\" }\n", "saving.node"), "beta");
  BOOST_CHECK_EQUAL(value("models { aliases { zimage = \"a.safetensors\" } }\n", "models.aliases"),
                    "zimage = a.safetensors");
}

BOOST_AUTO_TEST_CASE(what_may_differ_is_not_told) {
  auto one = agreement_of(parsed(two_nodes));
  auto other =
    agreement_of(parsed(std::string{"nodes = [ { name = \"alpha\", port = 3 }, { name = \"beta\", "
                                    "port = 2, gateway = \"127.0.0.1:0\" } ]\n"}
                        + "log { level = \"debug\" }\nmodels { folders = [\"/m\"] }\n"));
  BOOST_CHECK(one == other);
}

BOOST_AUTO_TEST_SUITE_END()
