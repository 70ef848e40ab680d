#include "gateway_fixture.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(gateway_test, gateway_fixture)

// -- hello ---

BOOST_AUTO_TEST_CASE(says_hello_and_answers_a_ping) {
  start();
  auto x = connect();
  BOOST_CHECK_EQUAL(x.welcome().node, "alpha");
  auto reply = x.call({{"cmd", "ping"}, {"data", "hi"}});
  BOOST_REQUIRE(reply);
  BOOST_CHECK_EQUAL(reply->fields["data"], "hi");
  BOOST_CHECK_EQUAL(status().connections, 1u);
  BOOST_CHECK_EQUAL(status().handshakes, 0u);
}

BOOST_AUTO_TEST_CASE(lets_in_only_who_knows_the_secret) {
  options.secret = "a secret of sixteen bytes or more";
  start();
  BOOST_CHECK(connect().call({{"cmd", "ping"}}));
  auto wrong = at_gateway();
  wrong.secret = "another secret of sixteen bytes";
  check_failed(client::connect(wrong), ec::unauthenticated);
}

BOOST_AUTO_TEST_CASE(does_not_listen_off_loopback_without_a_secret) {
  options.host = "0.0.0.0";
  check_failed(start_gateway(system, options), ec::not_permitted);
}

BOOST_AUTO_TEST_CASE(says_why_it_cannot_listen) {
  start();
  auto second = options;
  second.port = gateway.port;
  auto x = start_gateway(system, second);
  check_failed(x, ec::unavailable);
  BOOST_CHECK(x.error().message.find(std::to_string(gateway.port)) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(leaves_forbidden_commands_out_of_its_hello) {
  options.forbidden_commands = {"health", "unload"};
  start();
  auto x = connect();
  auto& commands = x.welcome().commands;
  auto has = [&](const char* name) {
    return std::find(commands.begin(), commands.end(), name) != commands.end();
  };
  BOOST_CHECK(!has("ping") && !has("health") && !has("unload_models"));
  BOOST_CHECK(has("vae_decode"));
  check_failed(x.call({{"cmd", "ping"}}), ec::not_permitted);
  check_failed(x.call({{"cmd", "unload_models"}}), ec::not_permitted);
}

BOOST_AUTO_TEST_CASE(tells_in_its_hello_what_was_added_since_the_first_protocol) {
  start();
  auto x = connect();
  auto& told = x.welcome().capabilities;
  BOOST_CHECK(std::find(told.begin(), told.end(), "warnings") != told.end());
}

BOOST_AUTO_TEST_CASE(closes_a_peer_that_does_not_say_hello) {
  options.hello_time = 50ms;
  start();
  auto x = connect_raw();
  BOOST_CHECK(x.ends(10s));
  until([](const auto& s) { return s.handshakes == 0; });
}

// -- bytes ---

BOOST_AUTO_TEST_CASE(passes_large_tensors_both_ways_unchanged) {
  start();
  auto x = connect();
  // 20 MiB of latents that the pool does not look at, 13 MiB back.
  auto reply = x.call(big_request(13), std::vector{zeros("latents", {5, 1024, 1024})});
  BOOST_REQUIRE_MESSAGE(reply, (reply ? "" : reply.error().message));
  auto* images = reply->find("images");
  BOOST_REQUIRE(images);
  auto wanted = numbered_bytes(13);
  BOOST_CHECK(std::equal(images->bytes().begin(), images->bytes().end(), wanted.bytes().begin(),
                         wanted.bytes().end()));
}

BOOST_AUTO_TEST_CASE(answers_garbage_with_bad_frame_and_closes) {
  start();
  auto other = connect();
  for (std::string garbage : {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n             ",
                              "\x16\x03\x01\x02\x01\x01\xfc\x03\x03 and 32 more bytes of TLS"}) {
    auto x = connect_raw();
    BOOST_REQUIRE(x.receive(10s)); // the greeting
    BOOST_REQUIRE(x.send_bytes(garbage));
    BOOST_CHECK(next_error(x).code == ec::bad_frame);
    BOOST_CHECK(x.ends());
  }
  BOOST_CHECK(other.call({{"cmd", "ping"}}));
}

BOOST_AUTO_TEST_CASE(closes_after_a_large_header_that_is_none) {
  start();
  auto x = connect();
  BOOST_REQUIRE(x.send_text(std::string(200000, '[')));
  BOOST_CHECK(next_error(x).code == ec::bad_frame);
  BOOST_CHECK(x.ends());
}

BOOST_AUTO_TEST_CASE(takes_a_large_header) {
  start();
  auto x = connect();
  auto reply = x.call(
    {{"cmd", "clip_tokenize"}, {"model", "vae.safetensors"}, {"text", std::string(1 << 20, 'x')}});
  BOOST_CHECK(reply);
}

BOOST_AUTO_TEST_CASE(closes_a_frame_that_makes_no_progress) {
  options.progress_time = 50ms;
  start();
  auto x = connect();
  BOOST_REQUIRE(x.send_bytes("LUNA\x01\x02"));
  BOOST_CHECK(next_error(x).code == ec::timeout);
  BOOST_CHECK(x.ends());
}

BOOST_AUTO_TEST_CASE(closes_a_client_that_reads_nothing) {
  options.progress_time = 100ms;
  start();
  auto x = connect();
  BOOST_REQUIRE(x.send(big_request(64), latents()));
  until([](const auto& s) { return s.connections == 0; });
}

BOOST_AUTO_TEST_CASE(does_not_let_a_slow_reader_hold_up_others) {
  start();
  auto slow = connect();
  auto quick = connect();
  std::vector<uint64_t> ids;
  for (int i = 0; i < 4; ++i)
    ids.push_back(slow.send(big_request(16), latents()).value());
  for (int i = 0; i < 100; ++i)
    BOOST_REQUIRE(quick.call({{"cmd", "ping"}}));
  BOOST_REQUIRE(quick.call(big_request(8), latents()));
  for (auto id : ids) {
    auto reply = slow.wait(id);
    BOOST_REQUIRE_MESSAGE(reply, (reply ? "" : reply.error().message));
    BOOST_CHECK_EQUAL(reply->find("images")->size_bytes(), 16 * mebibyte);
  }
}

BOOST_AUTO_TEST_CASE(refuses_a_reply_for_which_the_node_has_no_memory) {
  options.buffers = byte_budget::make(8 * mebibyte);
  start();
  auto x = connect();
  check_failed(x.call(big_request(16), latents()), ec::overloaded);
  BOOST_CHECK(x.call(big_request(4), latents()));
}

// -- many ---

BOOST_AUTO_TEST_CASE(serves_many_clients_at_a_time) {
  start();
  std::vector<client> clients;
  for (int i = 0; i < 100; ++i)
    clients.push_back(connect());
  std::vector<uint64_t> ids;
  for (auto& x : clients)
    ids.push_back(x.send({{"cmd", "ping"}}).value());
  for (size_t i = 0; i < clients.size(); ++i)
    BOOST_CHECK(clients[i].wait(ids[i]));
  BOOST_CHECK_EQUAL(status().connections, 100u);
  clients.clear();
  until([](const auto& s) { return s.connections == 0; });
}

BOOST_AUTO_TEST_CASE(answers_pipelined_requests_all) {
  start();
  auto x = connect();
  std::vector<uint64_t> ids;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 64; ++i)
      ids.push_back(x.send({{"cmd", "ping"}, {"data", std::string(1024, 'x')}}).value());
    for (auto id : std::exchange(ids, {}))
      BOOST_REQUIRE(x.wait(id));
  }
}

BOOST_AUTO_TEST_CASE(turns_away_more_clients_than_its_limit) {
  options.connections = 2;
  start();
  auto first = connect();
  {
    auto second = connect();
    check_failed(client::connect(at_gateway()), ec::overloaded);
  }
  until([](const auto& s) { return s.connections == 1; });
  BOOST_CHECK(connect().call({{"cmd", "ping"}}));
}

BOOST_AUTO_TEST_CASE(turns_away_more_handshakes_of_a_stranger_than_its_part) {
  options.handshakes = 8;
  start();
  auto first = connect_raw();
  auto second = connect_raw();
  until([](const auto& s) { return s.handshakes == 2; });
  check_failed(client::connect(at_gateway()), ec::overloaded);
}

BOOST_AUTO_TEST_CASE(lets_an_address_with_clients_in_however_many_say_nothing) {
  options.handshakes = 4;
  start();
  auto known = connect();
  std::vector<client> silent;
  for (int i = 0; i < 64; ++i)
    silent.push_back(connect_raw());
  until([](const auto& s) { return s.handshakes == 64; });
  BOOST_CHECK(connect().call({{"cmd", "ping"}}));
}

BOOST_AUTO_TEST_CASE(judges_ten_hellos_a_second_of_who_guesses_the_secret) {
  options.secret = "a secret of sixteen bytes or more";
  start();
  auto wrong = at_gateway();
  wrong.secret = "another secret of sixteen bytes";
  auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i)
    check_failed(client::connect(wrong), ec::unauthenticated);
  // Five are free and the sixth begins the pauses.
  BOOST_CHECK(std::chrono::steady_clock::now() - begin >= 400ms);
  BOOST_CHECK(connect().call({{"cmd", "ping"}}));
}

BOOST_AUTO_TEST_CASE(listens_at_every_address_of_a_name_and_tells_them) {
  options.host = "localhost";
  start();
  BOOST_REQUIRE(!gateway.addresses.empty());
  for (auto& address : gateway.addresses) {
    auto at = at_gateway();
    at.host = address.starts_with('[') ? "::1" : "127.0.0.1";
    auto x = client::connect(at);
    BOOST_REQUIRE_MESSAGE(x, address);
    auto reply = x->call({{"cmd", "get_status"}});
    BOOST_REQUIRE(reply);
    BOOST_CHECK(reply->fields["gateways"] == json(gateway.addresses));
  }
}

BOOST_AUTO_TEST_CASE(refuses_more_requests_in_flight_than_its_limit) {
  options.in_flight = 2;
  start();
  auto x = connect();
  for (int i = 0; i < 2; ++i)
    BOOST_REQUIRE(x.send(held_request(), latents()));
  check_failed(x.call({{"cmd", "list_models"}}), ec::overloaded);
}

BOOST_AUTO_TEST_CASE(does_not_count_who_waits_for_a_job) {
  options.in_flight = 2;
  start();
  auto x = connect();
  for (int i = 0; i < 10; ++i)
    BOOST_REQUIRE(x.send({{"cmd", "job_wait"}, {"job_id", "7"}, {"timeout_ms", 60000}}));
  BOOST_CHECK(x.call({{"cmd", "ping"}}));
  BOOST_CHECK(x.call({{"cmd", "list_models"}}));
}

BOOST_AUTO_TEST_SUITE_END()
