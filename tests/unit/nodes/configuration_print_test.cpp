#include <boost/test/unit_test.hpp>

#include "nodes/configuration.hpp"
#include "tests/unit/why.hpp"

using namespace luna;
using namespace std::chrono_literals;

namespace {

void check_survives(const cluster_configuration& want) {
  const auto text = print_configuration(want);
  const auto got = parse_configuration(text);
  BOOST_TEST_REQUIRE(got.has_value(), luna::testing::why(got) + "\n" + text);
  BOOST_TEST((got->value == want), "what was read differs from what was printed:\n" + text);
}

/// Every field has a value that is not its default.
cluster_configuration unusual() {
  cluster_configuration c;
  c.cluster = {"x", "/s", {"/ca", "/cert", "/key", "/pass"}, 20ms, 12345ms, 0ms};
  node_configuration a;
  a.name = "a";
  a.host = "10.0.0.1";
  a.port = 7;
  a.bind = "0.0.0.0";
  a.gateway = host_port{"::", 0};
  a.monitor = host_port{"127.0.0.1", 1};
  a.data = "/path with \"quotes\" and \\";
  a.devices = {{"cpu", uint64_t{100} << 20, 3}, {"cuda:1", 67108865, 0}};
  node_configuration b;
  b.name = "b";
  b.host = "beta.example";
  c.nodes = {a, b};
  c.models = {{"/m1", "/m2"}, "/e.yaml", {{"one", "a b.safetensors"}, {"two", "d\u00e9.pt"}}};
  c.pools = {{"p", "vlm", "a", "cuda:1", "exact", 1}, {"q", "vae", "any", "auto", "exact", 9}};
  c.saving = {"b",
              {"/o1", "/o2"},
              3,
              7,
              5s,
              uint64_t{1} << 40,
              25h,
              3,
              9,
              {{"t", "s3", "https://e:1", "buc", "r", "pre/", "virtual", "ask", "/cred", "/ca",
                uint64_t{7} << 20, uint64_t{6} << 20, 7s, 9}},
              0664,
              02775};
  c.caches = {5, 0};
  c.limits = {1, 2, 3, uint64_t{3} << 20, uint64_t{5} << 20, {"shutdown", "reset"}, 4s, 5s};
  c.log = {"trace", "/l", "json"};
  complete(c);
  return c;
}

} // namespace

BOOST_AUTO_TEST_SUITE(configuration_print_test)

BOOST_AUTO_TEST_CASE(the_embedded_default_survives_printing_and_reading) {
  const auto c = embedded_default("/state");
  check_survives(c);
  const auto got = parse_configuration(print_configuration(c));
  BOOST_TEST(got->not_built.empty());
}

BOOST_AUTO_TEST_CASE(every_field_survives_printing_and_reading) {
  check_survives(unusual());
}

BOOST_AUTO_TEST_CASE(no_pools_stay_no_pools) {
  auto c = embedded_default("/state");
  c.pools.clear();
  check_survives(c);
}

BOOST_AUTO_TEST_CASE(the_reference_file_survives_printing_and_reading) {
  check_survives(read_configuration(LUNA_SOURCE_DIR "/cluster.conf").value().value);
}

BOOST_AUTO_TEST_SUITE_END()
