#include <boost/test/unit_test.hpp>

#include "peer.hpp"

// What happens before and during hello: section 2 of docs/protocol.md.

namespace luna::protocol {

namespace {

const std::string nonce = "00112233445566778899aabbccddeeff";
const std::string secret = "correct horse battery staple";

std::string hello_with(std::string_view fields) {
  return test::hello_bytes(R"({"client":"test/1","protocol":1,"nonce":")" + nonce + "\""
                           + std::string{fields} + "}");
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(server_hello_test, test::fixture)

BOOST_AUTO_TEST_CASE(the_server_speaks_first) {
  start();
  BOOST_TEST(greeting["server"] == "luna/0.1.0");
  BOOST_TEST((greeting["protocol"] == json{1, 1}));
  BOOST_TEST(greeting["auth"] == "none");
  BOOST_TEST(is_nonce(greeting["nonce"].get<std::string>()));
  BOOST_TEST(!server->said_hello());
}

BOOST_AUTO_TEST_CASE(every_connection_has_its_own_nonce) {
  start();
  auto first = greeting["nonce"];
  start();
  BOOST_TEST((greeting["nonce"] != first));
}

BOOST_AUTO_TEST_CASE(a_client_without_a_secret_is_welcomed_where_none_is_asked_for) {
  config.limits = {.header_bytes = 1000, .body_bytes = 2000};
  config.max_in_flight = 3;
  config.capabilities = {"x"};
  start();
  auto events = events_of(test::hello_bytes());
  BOOST_REQUIRE(events.size() == 1U);
  BOOST_TEST(std::get<hello_done>(events[0]).client == "test/1");
  auto frames = test::drain_frames(*server);
  BOOST_REQUIRE(frames.size() == 1U);
  BOOST_TEST((frames[0].kind == frame_kind::hello));
  BOOST_TEST(frames[0].id == 0U);
  BOOST_TEST(frames[0].header.dump()
             == R"({"ok":true,"node":"alpha","cluster":"studio","limits":{"max_body_bytes":2000,)"
                R"("max_header_bytes":1000,"max_in_flight":3},"commands":["ping"],)"
                R"("capabilities":["x"]})");
  BOOST_TEST(server->said_hello());
}

BOOST_AUTO_TEST_CASE(client_and_server_prove_that_they_know_the_secret) {
  config.secret = secret;
  start();
  BOOST_TEST(greeting["auth"] == "hmac-sha256");
  auto server_nonce = greeting["nonce"].get<std::string>();
  auto events =
    events_of(hello_with(R"(,"proof":")" + client_proof(secret, server_nonce, nonce) + "\""));
  BOOST_REQUIRE(events.size() == 1U);
  BOOST_TEST(std::holds_alternative<hello_done>(events[0]));
  auto frames = test::drain_frames(*server);
  BOOST_TEST(frames.at(0).header["proof"] == server_proof(secret, server_nonce, nonce));
}

BOOST_AUTO_TEST_CASE(a_wrong_or_missing_proof_is_unauthenticated_and_closes) {
  config.secret = secret;
  for (auto& fields :
       {std::string{}, std::string{R"(,"proof":"")"}, R"(,"proof":")" + std::string(64, '0') + "\"",
        R"(,"proof":")" + client_proof(secret, nonce, nonce) + "\""}) {
    start();
    BOOST_TEST(test::closed_code(events_of(hello_with(fields))) == "unauthenticated", fields);
    BOOST_TEST(test::error_code_in(test::drain_frames(*server)) == "unauthenticated");
    BOOST_TEST(server->closed());
    BOOST_TEST(!server->said_hello());
    BOOST_TEST(events_of(test::request_bytes(1)).empty());
  }
}

BOOST_AUTO_TEST_CASE(a_proof_does_not_work_twice) {
  config.secret = secret;
  start();
  auto recorded = hello_with(
    R"(,"proof":")" + client_proof(secret, greeting["nonce"].get<std::string>(), nonce) + "\"");
  BOOST_TEST(std::holds_alternative<hello_done>(events_of(recorded).at(0)));
  start();
  BOOST_TEST(test::closed_code(events_of(recorded)) == "unauthenticated");
}

BOOST_AUTO_TEST_CASE(another_protocol_is_a_mismatch_and_closes) {
  for (auto* version : {"2", "0", "\"1\"", "null"}) {
    start();
    auto events = events_of(test::hello_bytes(R"({"client":"test/1","nonce":")" + nonce
                                              + R"(","protocol":)" + version + "}"));
    BOOST_TEST(test::closed_code(events) == "protocol_mismatch", version);
    BOOST_TEST(test::error_code_in(test::drain_frames(*server)) == "protocol_mismatch");
  }
}

BOOST_AUTO_TEST_CASE(any_other_frame_before_hello_is_unauthenticated) {
  for (uint8_t kind = 2; kind <= 6; ++kind) {
    start();
    auto events = events_of(test::frame_bytes(static_cast<frame_kind>(kind), 9, "{}"));
    BOOST_TEST(test::closed_code(events) == "unauthenticated");
    auto frames = test::drain_frames(*server);
    BOOST_TEST(test::error_code_in(frames) == "unauthenticated");
    BOOST_TEST(frames.at(0).id == 9U);
  }
}

BOOST_AUTO_TEST_CASE(a_hello_is_at_most_64_kib_and_has_no_body_and_no_id) {
  auto padded = [](size_t bytes) {
    std::string header = R"({"client":"test/1","protocol":1,"nonce":")" + nonce + R"(","pad":")";
    return header + std::string(bytes - header.size() - 2, 'x') + "\"}";
  };
  start();
  BOOST_TEST(std::holds_alternative<hello_done>(events_of(test::hello_bytes(padded(65536))).at(0)));
  for (auto& wrong : {test::head_bytes(1, 0, 65537, 0), test::head_bytes(1, 0, 10, 1),
                      test::head_bytes(1, 1, 10, 0), test::head_bytes(1, 0, 0, 0)}) {
    start();
    BOOST_TEST(test::closed_code(events_of(wrong)) == "bad_frame");
    BOOST_TEST(test::error_code_in(test::drain_frames(*server)) == "bad_frame");
  }
}

BOOST_AUTO_TEST_CASE(a_hello_that_cannot_be_read_is_a_bad_frame) {
  for (auto* header : {"x", "[]", "{", R"({"client":NaN})", "{\"a\":\"\\ud800\"}"}) {
    start();
    BOOST_TEST(test::closed_code(events_of(test::hello_bytes(header))) == "bad_frame", header);
  }
}

BOOST_AUTO_TEST_CASE(bytes_that_are_no_frame_are_a_bad_frame_with_id_0) {
  start();
  BOOST_TEST(test::closed_code(events_of("GET / HTTP/1.1\r\nHost: 127.0.0.1:19283\r\n\r\n"))
             == "bad_frame");
  auto frames = test::drain_frames(*server);
  BOOST_TEST(test::error_code_in(frames) == "bad_frame");
  BOOST_TEST(frames.at(0).id == 0U);
}

BOOST_AUTO_TEST_CASE(a_second_hello_is_a_bad_frame) {
  open();
  BOOST_TEST(test::closed_code(events_of(test::hello_bytes())) == "bad_frame");
}

BOOST_AUTO_TEST_CASE(a_client_that_says_nothing_is_told_so) {
  start();
  BOOST_TEST(!server->mid_frame());
  server->timed_out(server_connection::timer::hello);
  BOOST_TEST(test::error_code_in(test::drain_frames(*server)) == "timeout");
  BOOST_TEST(test::closed_code(test::drain_events(*server)) == "timeout");
}

BOOST_AUTO_TEST_CASE(a_request_may_come_in_the_same_bytes_as_hello) {
  start();
  auto events = events_of(test::hello_bytes() + test::request_bytes(4));
  BOOST_REQUIRE(events.size() == 2U);
  BOOST_TEST(std::get<request_received>(events[1]).id == 4U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::protocol
