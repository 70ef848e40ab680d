#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <set>

#include "actors/gateway/commands/command_names.hpp"

namespace luna::commands {

namespace {

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

} // namespace

BOOST_AUTO_TEST_SUITE(commands_test)

BOOST_AUTO_TEST_CASE(hello_lists_what_is_built_and_its_aliases_once) {
  auto names = announced_names();
  for (auto* name : {"list_models",
                     "model_info",
                     "vae_encode",
                     "vae_decode",
                     "clip_tokenize",
                     "clip_encode",
                     "clip_encode_from_tokens",
                     "submit_async",
                     "job_status",
                     "job_wait",
                     "job_cancel",
                     "job_retry",
                     "job_discard",
                     "job_list",
                     "probe_folder",
                     "allow_output",
                     "set_attention_mode",
                     "unload_models",
                     "reset",
                     "shutdown",
                     "ping",
                     "get_info",
                     "get_status",
                     "subscribe",
                     "negotiate_ipc",
                     "health",
                     "info",
                     "unload"})
    BOOST_TEST(contains(names, name), name);
  BOOST_TEST(names.size() == 29U);
  BOOST_TEST(std::set<std::string>(names.begin(), names.end()).size() == names.size());
}

BOOST_AUTO_TEST_CASE(what_is_not_built_is_absent) {
  auto names = announced_names();
  for (auto* name : {"vlm_generate", "vlm_describe", "lora_cache_put", "upload_lora", "has_lora",
                     "lora_stats", "zimage_encode", "encode_vision"})
    BOOST_TEST(!contains(names, name), name);
}

BOOST_AUTO_TEST_CASE(a_forbidden_command_is_absent_with_its_aliases) {
  std::vector<std::string> forbidden{"shutdown", "unload"};
  auto names = announced_names(forbidden);
  BOOST_TEST(!contains(names, "shutdown"));
  BOOST_TEST(!contains(names, "unload"));
  BOOST_TEST(!contains(names, "unload_models"));
  BOOST_TEST(contains(names, "ping"));
}

BOOST_AUTO_TEST_CASE(what_is_not_built_may_be_forbidden) {
  std::vector<std::string> sound{"vlm_generate", "vlm_describe", "lora_cache_put", "ping",
                                 "health"};
  BOOST_TEST(forbidden_problems(sound).empty());
}

BOOST_AUTO_TEST_CASE(a_forbidden_command_that_nothing_has_is_named_with_the_nearest) {
  std::vector<std::string> forbidden{"ping", "shutdwn"};
  auto problems = forbidden_problems(forbidden);
  BOOST_REQUIRE_EQUAL(problems.size(), 1U);
  BOOST_TEST(problems[0].find("limits.forbidden-commands[1]") == 0U);
  BOOST_TEST(problems[0].find("did you mean 'shutdown'") != std::string::npos, problems[0]);
}

BOOST_AUTO_TEST_CASE(only_a_job_wait_waits) {
  BOOST_TEST(waiting_names() == std::vector<std::string>{"job_wait"});
}

BOOST_AUTO_TEST_CASE(an_alias_means_its_command) {
  BOOST_TEST(canonical_name("health") == "ping");
  BOOST_TEST(canonical_name("info") == "get_info");
  BOOST_TEST(canonical_name("unload") == "unload_models");
  BOOST_TEST(canonical_name("has_lora") == "lora_cache_check");
  BOOST_TEST(canonical_name("upload_lora") == "lora_cache_put");
  BOOST_TEST(canonical_name("lora_stats") == "lora_cache_stats");
  BOOST_TEST(canonical_name("vlm_describe") == "vlm_generate");
  BOOST_TEST(canonical_name("ping") == "ping");
  BOOST_TEST(canonical_name("nonsense") == "nonsense");
}

BOOST_AUTO_TEST_CASE(an_unknown_command_is_told_from_one_that_is_not_built) {
  auto misspelt = unknown_command("vae_decod");
  BOOST_TEST((misspelt.code == ec::unknown_command));
  BOOST_TEST(misspelt.message.find("did you mean 'vae_decode'") != std::string::npos);
  auto planned = unknown_command("vlm_describe");
  BOOST_TEST((planned.code == ec::unknown_command));
  BOOST_TEST(planned.message.find("not built yet") != std::string::npos);
  BOOST_TEST(unknown_command(std::string(1 << 20, 'x')).message.size() < 200U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::commands
