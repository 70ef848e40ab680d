#include <boost/test/unit_test.hpp>

#include <cstring>
#include <numeric>
#include <thread>

#include "base/byte_budget.hpp"
#include "loopback_server.hpp"
#include "peer.hpp"
#include "protocol/client.hpp"

namespace luna::protocol {

namespace {

const std::string secret = "correct horse battery staple";

named_tensor tensor_of(std::string name, size_t bytes) {
  std::string data(bytes, '\0');
  std::iota(data.begin(), data.end(), 'a');
  return {std::move(name),
          tensor_block::copy_of(dtype::u8, {static_cast<int64_t>(bytes)}, test::as_bytes(data))};
}

/// ping answers its data; echo the tensors; events tells three steps first; wait never answers;
/// fail fails; push sends an event of the connection; bye closes.
void handle(server_connection& server, request_received& request) {
  auto fields =
    request.header.is_null() ? parse_header(request.raw_header).value() : request.header;
  auto cmd = fields["cmd"].get<std::string>();
  if (cmd == "ping") {
    server.reply(request.id, json{{"pong", true}, {"data", fields.value("data", "")}}.dump());
  } else if (cmd == "echo") {
    server.reply(request.id, "{}", read_body(request.body).value());
  } else if (cmd == "events") {
    for (auto i = 1; i <= 3; ++i)
      server.event(request.id, json{{"event", "progress"}, {"value", i}}.dump());
    server.reply(request.id, "{}");
  } else if (cmd == "fail") {
    server.refuse(request.id, {ec::unavailable, "beta is away", 70, R"({"node":"beta"})"});
  } else if (cmd == "push") {
    server.event(0, R"({"event":"job"})");
    server.reply(request.id, "{}");
  } else if (cmd == "bye") {
    server.close({ec::shutting_down, "the node drains", 0, {}});
  }
}

struct connected {
  connected() {
    config.buffers = byte_budget::make(uint64_t{1} << 30);
    config.node = "alpha";
    config.commands = {"ping", "echo"};
  }

  client connect() {
    if (!server)
      server = std::make_unique<test::loopback_server>(config, handle);
    options.port = server->port();
    auto opened = client::connect(options);
    BOOST_REQUIRE_MESSAGE(opened.has_value(), opened.error().message);
    return std::move(*opened);
  }

  std::string refusal() {
    if (!server)
      server = std::make_unique<test::loopback_server>(config, handle);
    options.port = server->port();
    auto opened = client::connect(options);
    return opened ? "connected" : std::string{to_string(opened.error().code)};
  }

  server_config config;
  client_options options;
  std::unique_ptr<test::loopback_server> server;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(client_test, connected)

BOOST_AUTO_TEST_CASE(a_client_learns_who_the_server_is) {
  auto peer = connect();
  BOOST_TEST(peer.greeting().server == "luna/0.1.0");
  BOOST_TEST(peer.welcome().node == "alpha");
  BOOST_TEST((peer.welcome().commands == std::vector<std::string>{"ping", "echo"}));
  BOOST_TEST(peer.welcome().max_in_flight == 64U);
}

BOOST_AUTO_TEST_CASE(both_sides_prove_that_they_know_the_secret) {
  config.secret = secret;
  options.secret = secret;
  auto peer = connect();
  BOOST_TEST(peer.call({{"cmd", "ping"}}).has_value());
}

BOOST_AUTO_TEST_CASE(a_wrong_secret_or_none_is_unauthenticated) {
  config.secret = secret;
  BOOST_TEST(refusal() == "unauthenticated");
  options.secret = "another secret, as long";
  BOOST_TEST(refusal() == "unauthenticated");
}

BOOST_AUTO_TEST_CASE(a_client_with_a_secret_refuses_a_server_without) {
  options.secret = secret;
  BOOST_TEST(refusal() == "unauthenticated");
}

BOOST_AUTO_TEST_CASE(nobody_there_is_unavailable) {
  connect();
  server.reset();
  auto opened = client::connect(options);
  BOOST_REQUIRE(!opened.has_value());
  BOOST_TEST((opened.error().code == ec::unavailable));
  BOOST_TEST(opened.error().message.find(std::to_string(options.port)) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_call_returns_fields_and_tensors) {
  auto peer = connect();
  auto pong = peer.call({{"cmd", "ping"}, {"data", "x"}});
  BOOST_REQUIRE(pong.has_value());
  BOOST_TEST(pong->fields.dump() == R"({"pong":true,"data":"x"})");
  BOOST_TEST(pong->tensors.empty());
  std::vector<named_tensor> tensors{tensor_of("a", 100), tensor_of("b", 5000000)};
  auto echo = peer.call({{"cmd", "echo"}}, tensors);
  BOOST_REQUIRE(echo.has_value());
  for (auto& x : tensors) {
    auto* y = echo->find(x.name);
    BOOST_REQUIRE(y != nullptr);
    BOOST_REQUIRE(y->size_bytes() == x.tensor.size_bytes());
    BOOST_TEST(std::memcmp(y->bytes().data(), x.tensor.bytes().data(), y->size_bytes()) == 0);
  }
}

BOOST_AUTO_TEST_CASE(a_large_header_passes_both_ways) {
  auto peer = connect();
  std::string data(3000000, 'x');
  auto pong = peer.call({{"cmd", "ping"}, {"data", data}});
  BOOST_REQUIRE(pong.has_value());
  BOOST_TEST((pong->fields["data"] == data));
}

BOOST_AUTO_TEST_CASE(an_error_frame_is_a_failure_with_all_that_it_says) {
  auto peer = connect();
  auto failed = peer.call({{"cmd", "fail"}});
  BOOST_REQUIRE(!failed.has_value());
  BOOST_TEST(
    (failed.error() == failure{ec::unavailable, "beta is away", 70, R"({"node":"beta"})"}));
  BOOST_TEST(peer.call({{"cmd", "ping"}}).has_value());
}

BOOST_AUTO_TEST_CASE(answers_of_several_requests_are_told_apart) {
  auto peer = connect();
  std::vector<uint64_t> ids;
  for (auto i = 0; i < 20; ++i)
    ids.push_back(peer.send({{"cmd", "ping"}, {"data", std::to_string(i)}}).value());
  for (auto i = 19; i >= 0; --i) {
    auto pong = peer.wait(ids[static_cast<size_t>(i)]);
    BOOST_REQUIRE(pong.has_value());
    BOOST_TEST(pong->fields["data"] == std::to_string(i));
  }
}

BOOST_AUTO_TEST_CASE(events_come_before_the_answer) {
  auto peer = connect();
  std::vector<int> values;
  auto done = peer.call({{"cmd", "events"}}, {}, std::chrono::seconds{30},
                        [&](auto& event) { values.push_back(event["value"].template get<int>()); });
  BOOST_TEST(done.has_value());
  BOOST_TEST((values == std::vector<int>{1, 2, 3}));
}

BOOST_AUTO_TEST_CASE(events_of_the_connection_are_kept_for_who_asks) {
  auto peer = connect();
  BOOST_TEST(peer.call({{"cmd", "push"}}).has_value());
  auto event = peer.next_event();
  BOOST_REQUIRE(event.has_value());
  BOOST_TEST((*event)["event"] == "job");
}

BOOST_AUTO_TEST_CASE(a_cancelled_request_answers_cancelled) {
  auto peer = connect();
  auto id = peer.send({{"cmd", "wait"}}).value();
  BOOST_TEST(peer.cancel(id).has_value());
  auto answer = peer.wait(id);
  BOOST_REQUIRE(!answer.has_value());
  BOOST_TEST((answer.error().code == ec::cancelled));
}

BOOST_AUTO_TEST_CASE(a_wait_that_takes_too_long_is_a_timeout_and_the_answer_can_still_come) {
  auto peer = connect();
  auto id = peer.send({{"cmd", "wait"}}).value();
  auto answer = peer.wait(id, std::chrono::milliseconds{1});
  BOOST_REQUIRE(!answer.has_value());
  BOOST_TEST((answer.error().code == ec::timeout));
  BOOST_TEST(peer.cancel(id).has_value());
  BOOST_TEST((peer.wait(id).error().code == ec::cancelled));
}

BOOST_AUTO_TEST_CASE(what_the_server_says_at_the_end_reaches_whoever_waits) {
  auto peer = connect();
  auto answer = peer.call({{"cmd", "bye"}});
  BOOST_REQUIRE(!answer.has_value());
  BOOST_TEST((answer.error().code == ec::shutting_down));
  BOOST_TEST(peer.ends());
  BOOST_TEST((peer.call({{"cmd", "ping"}}).error().code == ec::unavailable));
}

BOOST_AUTO_TEST_CASE(a_request_over_the_servers_limit_is_not_sent) {
  config.limits.body_bytes = 1000;
  auto peer = connect();
  auto x = tensor_of("x", 2000);
  auto refused = peer.send({{"cmd", "echo"}}, {&x, 1});
  BOOST_REQUIRE(!refused.has_value());
  BOOST_TEST((refused.error().code == ec::bad_request));
  BOOST_TEST(peer.call({{"cmd", "ping"}}).has_value());
}

BOOST_AUTO_TEST_CASE(hostile_bytes_get_an_error_and_the_connection_ends) {
  connect();
  auto raw = client::connect_raw(options);
  BOOST_REQUIRE(raw.has_value());
  BOOST_TEST(raw->send_bytes("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").has_value());
  BOOST_TEST((raw->receive()->kind == frame_kind::hello));
  auto error = raw->receive();
  BOOST_REQUIRE(error.has_value());
  BOOST_TEST((error->kind == frame_kind::error));
  BOOST_TEST((read_error_header(error->header).code == ec::bad_frame));
  BOOST_TEST(raw->ends());
}

BOOST_AUTO_TEST_CASE(many_clients_at_once_get_their_own_answers) {
  connect();
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (auto t = 0; t < 8; ++t)
    threads.emplace_back([this, t, &good] {
      auto peer = client::connect(options);
      for (auto i = 0; peer && i < 50; ++i) {
        auto data = std::to_string(t * 1000 + i);
        auto pong = peer->call({{"cmd", "ping"}, {"data", data}});
        good += pong && pong->fields["data"] == data ? 1 : 0;
      }
    });
  for (auto& x : threads)
    x.join();
  BOOST_TEST(good == 400);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::protocol
