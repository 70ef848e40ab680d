#include <boost/test/unit_test.hpp>

#include <fstream>
#include <iterator>

#include "nodes/configuration.hpp"
#include "tests/unit/nodes/temporary_folder.hpp"
#include "tests/unit/why.hpp"

using namespace luna;
using namespace std::chrono_literals;

namespace {

const std::string one_node = "nodes = [ { name = \"a\" } ]\n";

cluster_configuration parsed(const std::string& text) {
  const auto got = parse_configuration(text, "c.conf", "/base");
  BOOST_TEST_REQUIRE(got.has_value(), luna::testing::why(got));
  return got->value;
}

/// Everything that is wrong with a text, a line each.
std::string errors(const std::string& text) {
  const auto got = parse_configuration(text, "c.conf", "/base");
  return got ? "" : got.error().message;
}

void check_error(const std::string& text, const std::string& words) {
  const auto message = errors(text);
  BOOST_TEST(message.find(words) != std::string::npos, "got: " << message << "\nfor: " << text);
}

} // namespace

BOOST_AUTO_TEST_SUITE(configuration_test)

BOOST_AUTO_TEST_CASE(the_reference_file_parses_and_names_every_section) {
  const auto got = read_configuration(LUNA_SOURCE_DIR "/cluster.conf");
  BOOST_TEST_REQUIRE(got.has_value(), luna::testing::why(got));
  const auto& c = got->value;
  BOOST_TEST(c.cluster.name == "studio");
  BOOST_TEST(c.cluster.secret_file == "/etc/luna/secret");
  BOOST_TEST(c.cluster.tls.enabled());
  BOOST_TEST_REQUIRE(c.nodes.size() == 2u);
  BOOST_TEST((c.nodes[0].gateway == host_port{"0.0.0.0", 19283}));
  BOOST_TEST(!c.nodes[0].monitor.has_value());
  BOOST_TEST(!c.nodes[1].gateway.has_value());
  BOOST_TEST(c.nodes[1].bind == "10.0.0.2");
  BOOST_TEST_REQUIRE(c.nodes[1].devices.size() == 2u);
  BOOST_TEST(c.nodes[1].devices[0].memory == uint64_t{20} << 30);
  BOOST_TEST(c.nodes[1].devices[1].threads == 8u);
  BOOST_TEST(c.models.folders.front() == "/srv/comfyui/models");
  BOOST_TEST(c.models.aliases.at("zimage") == "qwen_3_4b.safetensors");
  BOOST_TEST_REQUIRE(c.pools.size() == 2u);
  BOOST_TEST(c.pools[0].device == "cuda:0");
  BOOST_TEST(c.pools[1].node == "any");
  BOOST_TEST((c.saving.keep == 168h));
  BOOST_TEST(c.saving.output_folders.front() == "/srv/comfyui/output");
  BOOST_TEST(got->not_built.empty());
}

BOOST_AUTO_TEST_CASE(the_defaults_of_the_reference_file_are_those_of_the_program) {
  // Where the reference sets a default as its example, both must agree.
  const auto got = read_configuration(LUNA_SOURCE_DIR "/cluster.conf");
  BOOST_TEST_REQUIRE(got.has_value());
  BOOST_TEST((got->value.limits == limits_section{}));
  BOOST_TEST((got->value.log == log_section{}));
  auto saving = got->value.saving;
  saving.node = "";
  saving.output_folders.clear();
  BOOST_TEST_REQUIRE(saving.targets.size() == 1u);
  // What has no default, and what is told to be another than it.
  auto target = saving.targets[0];
  const target_configuration defaults;
  BOOST_TEST(target.region == "eu-central-1");
  target.name = target.endpoint = target.bucket = target.prefix = target.credentials_file = "";
  target.region = defaults.region;
  BOOST_TEST((target == defaults));
  saving.targets.clear();
  BOOST_TEST((saving == saving_section{}));
  BOOST_TEST((got->value.cluster.heartbeat == cluster_section{}.heartbeat));
  BOOST_TEST((got->value.cluster.suspect_after == cluster_section{}.suspect_after));
  BOOST_TEST((got->value.cluster.drain == cluster_section{}.drain));
}

BOOST_AUTO_TEST_CASE(one_node_is_enough_and_everything_else_has_a_default) {
  const auto c = parsed(one_node);
  BOOST_TEST(c.cluster.name == "luna");
  BOOST_TEST(c.nodes[0].host == "127.0.0.1");
  BOOST_TEST(c.nodes[0].bind == "127.0.0.1");
  BOOST_TEST(c.nodes[0].port == 19290);
  BOOST_TEST(c.nodes[0].data == default_data_folder() + "/a");
  BOOST_TEST(!c.nodes[0].gateway.has_value());
  BOOST_TEST(c.saving.node == "a");
  BOOST_TEST(c.saving.output_folders.front() == c.nodes[0].data + "/output");
  BOOST_TEST_REQUIRE(c.pools.size() == 2u);
  BOOST_TEST(c.pools[0].kind == "text");
  BOOST_TEST(c.pools[1].kind == "vae");
  BOOST_TEST(c.pools[1].node == "any");
  BOOST_TEST(c.pools[1].device == "auto");
  BOOST_TEST(parsed(one_node + "pools = []").pools.empty());
}

BOOST_AUTO_TEST_CASE(relative_paths_count_from_the_files_folder) {
  const auto c = parsed(R"(
cluster { secret-file = "secret" }
nodes = [ { name = "a", data = "../state" } ]
models { folders = ["models/", "/abs"], extra-model-paths = "extra.yaml" }
saving { output-folders = ["out"] }
log { file = "luna.log" }
)");
  BOOST_TEST(c.cluster.secret_file == "/base/secret");
  BOOST_TEST(c.nodes[0].data == "/state");
  BOOST_TEST(c.models.folders == (std::vector<std::string>{"/base/models", "/abs"}),
             boost::test_tools::per_element());
  BOOST_TEST(c.models.extra_model_paths == "/base/extra.yaml");
  BOOST_TEST(c.saving.output_folders.front() == "/base/out");
  BOOST_TEST(c.log.file == "/base/luna.log");
}

BOOST_AUTO_TEST_CASE(errors_name_file_line_key_and_what_was_expected) {
  check_error("nodes = [\n  { name = \"a\",\n    port = 70000 }\n]",
              "c.conf:3: nodes[0].port: expected a whole number from 0 to 65535, found 70000");
  check_error(
    one_node + "limits {\n  body = \"much\"\n}",
    "c.conf:3: limits.body: expected a size of at least 1MiB like \"20GiB\", found \"much\"");
  check_error(one_node + "cluster { heartbeat = 5 }",
              "c.conf:2: cluster.heartbeat: expected a duration from 10ms to 60s");
  check_error(one_node + "cluster { heartbeat = \"1s\" }", "without quotes");
  check_error(one_node + "cluster { name = 5 }", "expected a text in quotes, found 5");
  check_error(one_node + "cluster { name = \"my cluster\" }", "expected a name of 1 to 64 letters");
  check_error(one_node + "saving { output-folders = \"/x\" }", "expected a list of texts");
  check_error(one_node + "saving { output-folders = [5] }",
              "saving.output-folders[0]: expected a text in quotes");
  check_error(one_node + "cluster = 5", "cluster: expected a section { ... }, found 5");
  check_error(one_node + "pools = { }", "pools: expected a list of sections");
  check_error("nodes = [ { name = \"a\", gateway = \"19283\" } ]", "expected \"HOST:PORT\"");
  check_error("nodes = [ { host = \"127.0.0.1\" } ]",
              "nodes[0].name: expected a name for the node");
  check_error("nodes = [ { name = \"a\", host = \"a b\" } ]",
              "nodes[0].host: expected a host name");
  check_error("nodes = [ { name = \"a\", bind = \"a/b\" } ]", "nodes[0].bind: expected an address");
  check_error("nodes = []", "expected at least one node");
  check_error("", "expected at least one node");
  check_error("nodes = [ { name = \"a\", devices = [ { name = \"gpu\" } ] } ]",
              "nodes[0].devices[0].name: expected \"cpu\" or \"cuda:0\"");
  check_error(one_node + "models { aliases { a = 5 } }", "models.aliases.a: expected a text");
  check_error(one_node + "log { level = true }", "expected one of \"trace\"");
}

BOOST_AUTO_TEST_CASE(unknown_keys_are_errors_that_name_the_nearest_key) {
  check_error(one_node + "cluster {\n  hartbeat = 1s\n}",
              "c.conf:3: cluster.hartbeat: unknown key, did you mean 'heartbeat'?");
  check_error("nodes = [ { name = \"a\", prot = 5 } ]", "did you mean 'port'?");
  check_error(one_node + "savings { }", "did you mean 'saving'?");
  check_error(one_node + "limits { in_flight = 5 }", "did you mean 'in-flight'?");
  check_error(one_node + "caches { zzzzzzzz = 1 }", "the keys here are lora, conditioning");
}

BOOST_AUTO_TEST_CASE(unknown_words_are_errors_that_name_the_nearest_one) {
  check_error(one_node + "log { level = \"warning\" }", "'warn'");
  check_error(one_node + "pools = [ { name = \"p\", kind = \"txt\" } ]", "'text'");
  check_error(one_node + "pools = [ { name = \"p\", kind = \"vae\", precision = \"bf16\" } ]",
              "expected \"exact\", found \"bf16\"");
}

BOOST_AUTO_TEST_CASE(all_errors_are_reported_in_the_order_of_the_file) {
  const auto message =
    errors("log { level = \"x\" }\nnodes = [\n { name = \"a\", port = -1 } ]\nfoo = 1");
  const auto level = message.find("c.conf:1: log.level");
  const auto port = message.find("c.conf:3: nodes[0].port");
  const auto foo = message.find("c.conf:4: foo");
  BOOST_TEST(level != std::string::npos, message);
  BOOST_TEST(port != std::string::npos, message);
  BOOST_TEST(foo != std::string::npos, message);
  BOOST_TEST(level < port);
  BOOST_TEST(port < foo);
}

BOOST_AUTO_TEST_CASE(cross_checks_carry_the_line_of_the_key) {
  check_error(one_node + "\nsaving { node = \"b\" }",
              "c.conf:3: saving.node: there is no node 'b'");
  check_error("nodes = [ { name = \"a\",\n gateway = \"0.0.0.0:1\" } ]",
              "c.conf:2: nodes[0].gateway: listens on 0.0.0.0");
}

BOOST_AUTO_TEST_CASE(parts_that_are_not_built_are_named_and_do_no_harm) {
  const auto got = parse_configuration(R"(nodes = [
  { name = "a", monitor = "127.0.0.1:19285" }
]
pools = [ { name = "t", kind = "text" }, { name = "v", kind = "vlm" } ]
caches { lora = "1GiB", conditioning = "1MiB" }
)");
  BOOST_TEST_REQUIRE(got.has_value(), luna::testing::why(got));
  const std::vector<std::string> want = {"nodes[0].monitor (line 2)",
                                         "pools[1] of kind vlm (line 4)", "caches.lora (line 5)",
                                         "caches.conditioning (line 5)"};
  BOOST_TEST(got->not_built == want, boost::test_tools::per_element());
  BOOST_TEST(got->value.caches.lora == uint64_t{1} << 30);
}

BOOST_AUTO_TEST_CASE(a_target_is_read_with_its_defaults) {
  const auto c = parsed(one_node + R"(
saving { targets = [ { name = "b", endpoint = "http://127.0.0.1:9000", bucket = "renders",
                       prefix = "a/b", exclusive = "ask", timeout = 5s, part-size = "8MiB" } ] })");
  BOOST_TEST_REQUIRE(c.saving.targets.size() == 1u);
  auto want = target_configuration{};
  want.name = "b";
  want.endpoint = "http://127.0.0.1:9000";
  want.bucket = "renders";
  want.prefix = "a/b";
  want.exclusive = "ask";
  want.timeout = 5s;
  want.part_size = uint64_t{8} << 20;
  BOOST_TEST((c.saving.targets[0] == want));
}

BOOST_AUTO_TEST_CASE(a_target_that_cannot_be_one_is_refused_with_what_was_expected) {
  const auto with = [](const std::string& keys) {
    return one_node + "\nsaving { targets = [ {\n" + keys + "\n} ] }";
  };
  const std::string rest = "endpoint = \"https://h\", bucket = \"abc\"";
  check_error(with(rest), "saving.targets[0].name: expected a name for the target");
  check_error(with("name = \"a\", bucket = \"abc\""),
              "saving.targets[0].endpoint: expected \"https://host\"");
  for (const auto* endpoint : {"h", "ftp://h", "http://", "http://h/path", "http://u@h"})
    check_error(
      with("name = \"a\", bucket = \"abc\"\nendpoint = \"" + std::string{endpoint} + "\""),
      "c.conf:5: saving.targets[0].endpoint: expected");
  for (const auto* bucket : {"", "ab", "Upper", "a/b"})
    check_error(
      with("name = \"a\", endpoint = \"http://h\"\nbucket = \"" + std::string{bucket} + "\""),
      "c.conf:5: saving.targets[0].bucket: expected 3 to 63");
  check_error(with("name = \"a\", part-size = \"1MiB\", " + rest),
              "saving.targets[0].part-size: expected");
  check_error(with("name = \"a\", kind = \"ftp\", " + rest), "saving.targets[0].kind: expected");
}

BOOST_AUTO_TEST_CASE(the_embedded_default_is_one_node_on_loopback_with_every_pool) {
  const auto c = embedded_default("/state/luna");
  BOOST_TEST_REQUIRE(c.nodes.size() == 1u);
  BOOST_TEST(c.nodes[0].name == "local");
  BOOST_TEST(c.nodes[0].port == 0);
  BOOST_TEST((c.nodes[0].gateway == host_port{"127.0.0.1", 19283}));
  BOOST_TEST(c.pools.size() == 2u);
  BOOST_TEST(c.saving.output_folders.front() == "/state/luna/output");
  BOOST_TEST(cross_check(c).empty());
}

BOOST_AUTO_TEST_CASE(a_file_that_is_not_there_is_an_error_with_its_name) {
  const auto got = read_configuration("/nowhere/cluster.conf");
  BOOST_TEST_REQUIRE(!got.has_value());
  BOOST_TEST(got.error().message.find("/nowhere/cluster.conf") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_secret_is_the_file_without_its_last_newline_and_has_16_bytes) {
  const testing::temporary_folder folder;
  BOOST_TEST(read_secret(folder.write_private("a", "0123456789abcdef\n")).value()
             == "0123456789abcdef");
  BOOST_TEST(read_secret(folder.write_private("b", "0123456789abcdef\n\n")).value()
             == "0123456789abcdef\n");
  BOOST_TEST(read_secret(folder.write_private("d", "0123456789abcdef\r\n")).value()
             == "0123456789abcdef");
  BOOST_TEST(read_secret(folder.write_private("e", "0123456789abcdef\r")).value()
             == "0123456789abcdef\r");
  BOOST_TEST(!read_secret(folder.write_private("c", "0123456789abcde\n")).has_value());
  BOOST_TEST(!read_secret(folder.path() / "missing").has_value());
  BOOST_TEST(!read_secret(folder.write("open", "0123456789abcdef\n")).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
