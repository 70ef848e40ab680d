#include <boost/test/unit_test.hpp>

#include "nodes/configuration.hpp"

using namespace luna;
using namespace std::chrono_literals;

namespace {

/// Two nodes on loopback and every pool: nothing is wrong with it.
cluster_configuration sound() {
  auto c = embedded_default("/state/a");
  c.nodes[0].name = "a";
  c.nodes[0].port = 1;
  c.nodes.push_back({});
  c.nodes[1].name = "b";
  c.nodes[1].port = 2;
  c.nodes[1].data = "/state/b";
  c.saving.node = "a";
  complete(c);
  return c;
}

/// "key: text" of the only problem.
std::string problem(const cluster_configuration& c) {
  const auto found = cross_check(c);
  BOOST_TEST_REQUIRE(found.size() == 1u);
  return found[0].key + ": " + found[0].text;
}

void check_problem(const cluster_configuration& c, const std::string& key,
                   const std::string& words) {
  const auto text = problem(c);
  BOOST_TEST(text.starts_with(key + ": "), text);
  BOOST_TEST(text.find(words) != std::string::npos, text);
}

} // namespace

BOOST_AUTO_TEST_SUITE(configuration_check_test)

BOOST_AUTO_TEST_CASE(a_sound_configuration_has_no_problem) {
  BOOST_TEST(cross_check(sound()).empty());
}

BOOST_AUTO_TEST_CASE(a_gateway_off_loopback_needs_a_secret) {
  for (const auto* host : {"0.0.0.0", "10.0.0.1", "::"}) {
    auto c = sound();
    c.nodes[0].gateway = host_port{host, 19283};
    check_problem(c, "nodes[0].gateway", "secret-file");
    c.cluster.secret_file = "/secret";
    BOOST_TEST(cross_check(c).empty());
  }
}

BOOST_AUTO_TEST_CASE(a_pool_is_not_called_as_a_device_is) {
  for (const auto* name : {"cpu", "cuda:0"}) {
    auto c = sound();
    c.pools[0].name = name;
    check_problem(c, "pools[0].name", "the name of a device");
  }
}

BOOST_AUTO_TEST_CASE(a_node_off_loopback_needs_tls) {
  auto c = sound();
  c.nodes[1].host = c.nodes[1].bind = "10.0.0.2";
  check_problem(c, "nodes[1].host", "cluster.tls");
  c.nodes[1].host = "127.0.0.1";
  check_problem(c, "nodes[1].bind", "cluster.tls");
  c.cluster.tls = {"/ca", "/cert", "/key", ""};
  BOOST_TEST(cross_check(c).empty());
}

BOOST_AUTO_TEST_CASE(tls_is_ca_certificate_and_key_together_or_none) {
  auto c = sound();
  c.cluster.tls = {"/ca", "/cert", "", ""};
  check_problem(c, "cluster.tls", "together");
  c.cluster.tls = {"", "", "/key", ""};
  check_problem(c, "cluster.tls", "together");
  c.cluster.tls = {"", "", "", "/passphrase"};
  check_problem(c, "cluster.tls.passphrase-file", "key");
}

BOOST_AUTO_TEST_CASE(node_names_and_places_are_unique) {
  auto c = sound();
  c.nodes[1].name = "a";
  check_problem(c, "nodes[1].name", "'a'");
  c = sound();
  c.nodes[1].port = c.nodes[0].port;
  check_problem(c, "nodes[1].port", "same host and port");
  c = sound();
  c.nodes[1].name = "any";
  check_problem(c, "nodes[1].name", "every node");
}

BOOST_AUTO_TEST_CASE(only_a_single_node_may_leave_its_port_to_chance) {
  auto c = sound();
  c.nodes[1].port = 0;
  check_problem(c, "nodes[1].port", "single node");
}

BOOST_AUTO_TEST_CASE(pools_refer_to_nodes_and_devices_that_are_there) {
  auto c = sound();
  c.pools[0].node = "bb";
  check_problem(c, "pools[0].node", "did you mean 'b'");
  c = sound();
  c.nodes[1].devices = {{"cpu", 0, 0}};
  c.pools[1].device = "cuda:0";
  check_problem(c, "pools[1].device", "'b' does not list");
  c.pools[1].node = "a"; // lists no devices: every one it has
  BOOST_TEST(cross_check(c).empty());
  c = sound();
  c.pools[1].name = c.pools[0].name;
  check_problem(c, "pools[1].name", "text");
}

BOOST_AUTO_TEST_CASE(devices_are_listed_once_and_only_a_cpu_has_threads) {
  auto c = sound();
  c.nodes[0].devices = {{"cpu", 0, 4}, {"cpu", 0, 0}};
  check_problem(c, "nodes[0].devices[1].name", "twice");
  c.nodes[0].devices = {{"cuda:0", 0, 4}};
  check_problem(c, "nodes[0].devices[0].threads", "cpu");
}

BOOST_AUTO_TEST_CASE(saving_names_a_node_and_sane_bounds) {
  auto c = sound();
  c.saving.node = "c";
  check_problem(c, "saving.node", "there is no node 'c'");
  c = sound();
  c.saving.min_workers = 5;
  check_problem(c, "saving.min-workers", "max-workers");
  c = sound();
  c.saving.output_folders = {"/out", "/"};
  check_problem(c, "saving.output-folders[1]", "whole file system");
  c = sound();
  c.saving.targets = {{}};
  c.saving.targets[0].name = "folder";
  check_problem(c, "saving.targets[0].name", "taken");
  c = sound();
  c.saving.targets = {{}, {}};
  c.saving.targets[0].name = "a";
  c.saving.targets[1].name = "b";
  c.saving.min_workers = c.saving.max_workers = 2;
  check_problem(c, "saving.max-workers", "more than the number of targets, 2");
}

BOOST_AUTO_TEST_CASE(bounds_fit_each_other) {
  auto c = sound();
  c.limits.body = c.limits.buffers + 1;
  check_problem(c, "limits.body", "buffers");
  c = sound();
  c.cluster.suspect_after = 1500ms;
  check_problem(c, "cluster.suspect-after", "two heartbeats");
}

BOOST_AUTO_TEST_SUITE_END()
