#include <boost/test/unit_test.hpp>

#include <filesystem>

#include "nodes/command_line.hpp"
#include "tests/unit/nodes/temporary_folder.hpp"
#include "tests/unit/why.hpp"

using namespace luna;
using list = std::vector<std::string>;

namespace {

command_line parsed(list arguments) {
  auto got = parse_command_line(std::move(arguments));
  BOOST_TEST_REQUIRE(got.run.has_value(), got.text);
  return *got.run;
}

effective_configuration loaded(list arguments) {
  auto got = load_configuration(parsed(std::move(arguments)));
  BOOST_TEST_REQUIRE(got.has_value(), luna::testing::why(got));
  return *got;
}

std::string refusal(list arguments) {
  const auto got = load_configuration(parsed(std::move(arguments)));
  return got ? "" : got.error().message;
}

const char* const two_nodes = R"(nodes = [
  { name = "alpha", port = 1, data = "/state/alpha", gateway = "127.0.0.1:5" },
  { name = "beta", port = 2, data = "/state/beta" }
]
models { folders = ["/m"] }
)";

} // namespace

BOOST_AUTO_TEST_SUITE(command_line_test)

BOOST_AUTO_TEST_CASE(without_arguments_it_is_the_embedded_default) {
  const auto got = loaded({});
  BOOST_TEST(got.node == "local");
  BOOST_TEST(got.self().data == default_data_folder());
  BOOST_TEST((got.cluster == embedded_default(default_data_folder())));
}

BOOST_AUTO_TEST_CASE(every_option_overrides_the_embedded_default) {
  const auto got = loaded({"--gateway", "127.0.0.1:0", "--data", "/d", "--models", "/m1",
                           "--models", "m2", "--extra-model-paths", "/e.yaml", "--output", "/o1",
                           "--output=/o2", "--log-level", "debug"});
  const auto here = std::filesystem::current_path().string();
  BOOST_TEST((got.self().gateway == host_port{"127.0.0.1", 0}));
  BOOST_TEST(got.self().data == "/d");
  BOOST_TEST(got.cluster.models.folders == (list{"/m1", here + "/m2"}),
             boost::test_tools::per_element());
  BOOST_TEST(got.cluster.models.extra_model_paths == "/e.yaml");
  BOOST_TEST(got.cluster.saving.output_folders == (list{"/o1", "/o2"}),
             boost::test_tools::per_element());
  BOOST_TEST(got.cluster.log.level == "debug");
}

BOOST_AUTO_TEST_CASE(without_output_the_only_folder_is_below_data) {
  BOOST_TEST(loaded({"--data", "/d"}).cluster.saving.output_folders == (list{"/d/output"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_empty_gateway_is_none) {
  BOOST_TEST(!loaded({"--gateway", ""}).self().gateway.has_value());
}

BOOST_AUTO_TEST_CASE(a_file_with_several_nodes_needs_the_name_of_this_one) {
  const testing::temporary_folder folder;
  const auto file = folder.write("cluster.conf", two_nodes);
  BOOST_TEST(loaded({"--config", file, "--node", "beta"}).self().data == "/state/beta");
  BOOST_TEST(refusal({"--config", file}).find("alpha, beta") != std::string::npos);
  BOOST_TEST(refusal({"--config", file, "--node", "bet"}).find("did you mean 'beta'")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(options_override_the_file_for_this_node_alone) {
  const testing::temporary_folder folder;
  const auto file = folder.write("cluster.conf", two_nodes);
  const auto got = loaded({"--config", file, "--node", "alpha", "--data", "/d", "--models", "/x"});
  BOOST_TEST(got.self().data == "/d");
  BOOST_TEST(got.cluster.nodes[1].data == "/state/beta");
  BOOST_TEST(got.cluster.saving.output_folders.front() == "/d/output");
  BOOST_TEST(got.cluster.models.folders == (list{"/x"}), boost::test_tools::per_element());
  const auto other = loaded({"--config", file, "--node", "beta", "--data", "/d"});
  BOOST_TEST(other.cluster.saving.output_folders.front() == "/state/alpha/output");
}

BOOST_AUTO_TEST_CASE(overrides_are_cross_checked_too) {
  BOOST_TEST(refusal({"--gateway", "0.0.0.0:19283"}).find("secret-file") != std::string::npos);
  BOOST_TEST(refusal({"--gateway", "nonsense"}).find("HOST:PORT") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(parts_of_the_file_that_are_not_built_are_handed_on) {
  const testing::temporary_folder folder;
  const auto file =
    folder.write("c.conf", "nodes = [ { name = \"a\" } ]\ncaches { lora = \"1GiB\" }");
  BOOST_TEST(loaded({"--config", file}).not_built == (list{"caches.lora (line 2)"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(help_and_version_go_to_standard_output_with_status_0) {
  for (const auto* option : {"--help", "-h", "--version"}) {
    const auto got = parse_command_line({option});
    BOOST_TEST(!got.run.has_value());
    BOOST_TEST(got.exit_code == 0);
    BOOST_TEST(got.text.find("luna-node") != std::string::npos, got.text);
  }
  const auto help = parse_command_line({"--help"}).text;
  for (const auto* option :
       {"--config", "--node", "--check-config", "--print-config", "--gateway", "--data", "--models",
        "--extra-model-paths", "--output", "--log-level", "--version"})
    BOOST_TEST(help.find(option) != std::string::npos, option);
}

BOOST_AUTO_TEST_CASE(wrong_arguments_end_with_status_2_and_a_reason) {
  for (const list& arguments :
       {list{"--conifg", "x"}, list{"--gateway"}, list{"--log-level", "loud"}, list{"stray"}}) {
    const auto got = parse_command_line(arguments);
    BOOST_TEST(!got.run.has_value());
    BOOST_TEST(got.exit_code == 2);
    BOOST_TEST(!got.text.empty());
  }
}

BOOST_AUTO_TEST_CASE(flags_are_read) {
  BOOST_TEST(parsed({"--check-config"}).check_config);
  BOOST_TEST(parsed({"--print-config"}).print_config);
  BOOST_TEST(!parsed({}).check_config);
}

BOOST_AUTO_TEST_SUITE_END()
