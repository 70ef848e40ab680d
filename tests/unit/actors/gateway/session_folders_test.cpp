#include "session_fakes.hpp"

using namespace luna;
using namespace luna::testing;

namespace {

const std::string nonce = "00112233445566778899aabbccddeeff";
const std::string the_token(64, 'c');

struct fixture : session_fixture {
  static json probe(const std::string& with = nonce) {
    return {{"cmd", "probe_folder"}, {"output_dir", "/out"}, {"nonce", with}};
  }
  static json allow(const std::string& with = the_token) {
    return {{"cmd", "allow_output"}, {"path", "/second"}, {"token", with}};
  }

  /// From now on requests come from another machine.
  void move_away() {
    end(uut);
    uut = system.spawn(session, std::shared_ptr<const session_context>{context}, connection_handle,
                       false);
    run();
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(session_folders_test, fixture)

BOOST_AUTO_TEST_CASE(asks_the_save_queue_for_a_proof_file) {
  ask(1, probe());
  BOOST_CHECK_EQUAL(reply()["asked"], "probe /out " + nonce);
}

BOOST_AUTO_TEST_CASE(asks_the_saving_node_for_a_proof_file_wherever_it_is) {
  directory->saves = there();
  directory->saves->saves = saves_handle;
  move_away();
  ask(1, probe());
  BOOST_CHECK_EQUAL(reply()["asked"], "probe /out " + nonce);
}

BOOST_AUTO_TEST_CASE(refuses_wrong_probes_by_name) {
  check(refusal({{"cmd", "probe_folder"}, {"nonce", nonce}}), ec::bad_request, "'output_dir'");
  check(refusal(probe("../../etc/passwd")), ec::bad_request, "'nonce'");
  check(refusal(probe(nonce + "0")), ec::bad_request, "'nonce'");
}

BOOST_AUTO_TEST_CASE(lets_a_client_of_this_machine_add_a_folder_by_the_token) {
  context->starter_token = the_token;
  ask(1, allow());
  BOOST_CHECK_EQUAL(reply()["asked"], "allow /second");
}

BOOST_AUTO_TEST_CASE(lets_nobody_add_a_folder_without_a_token_of_its_own) {
  for (auto* x : {"", "anything"})
    check(refusal(allow(x)), ec::not_permitted, "saving.output-folders");
  BOOST_CHECK(saves->asked.empty());
}

BOOST_AUTO_TEST_CASE(lets_nobody_add_a_folder_by_a_wrong_token) {
  context->starter_token = the_token;
  for (auto& x : {std::string{}, std::string(64, 'd'), the_token + "c", the_token.substr(1)})
    check(refusal(allow(x)), ec::not_permitted, "'token'");
  BOOST_CHECK(saves->asked.empty());
}

BOOST_AUTO_TEST_CASE(lets_no_other_machine_add_a_folder) {
  context->starter_token = the_token;
  move_away();
  check(refusal(allow()), ec::not_permitted, "own machine");
  BOOST_CHECK(saves->asked.empty());
}

BOOST_AUTO_TEST_CASE(adds_no_folder_where_another_node_saves) {
  context->starter_token = the_token;
  directory->saves = there();
  check(refusal(allow()), ec::not_permitted, "node beta saves");
}

BOOST_AUTO_TEST_SUITE_END()
