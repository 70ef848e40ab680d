#include "gateway_fixture.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(gateway_control_test, gateway_fixture)

BOOST_AUTO_TEST_CASE(cancels_a_request_that_runs) {
  start();
  auto x = connect();
  auto id = x.send(held_request(), latents()).value();
  until_held(1);
  BOOST_REQUIRE(x.cancel(id));
  check_failed(x.wait(id), ec::cancelled);
  work->cancelled.get_future().wait();
}

BOOST_AUTO_TEST_CASE(cancels_the_requests_of_a_client_that_vanishes) {
  start();
  for (auto hard : {false, true}) {
    work->cancelled = {};
    auto x = connect();
    for (int i = 0; i < 2; ++i)
      BOOST_REQUIRE(x.send(held_request(), latents()));
    until_held(2);
    auto done = work->cancelled.get_future();
    x.close(hard);
    BOOST_CHECK(done.wait_for(20s) == std::future_status::ready);
  }
  until([](const auto& s) { return s.connections == 0; });
}

BOOST_AUTO_TEST_CASE(resets_all_connections_and_tells_how_many_requests) {
  start();
  auto x = connect();
  auto y = connect();
  auto id = x.send(held_request(), latents()).value();
  BOOST_REQUIRE(y.send(held_request(), latents()));
  until_held(2);
  uint64_t cancelled = 0;
  self->request(gateway.gateway, 10s, reset_atom_v)
    .receive([&](uint64_t n) { cancelled = n; },
             [&](caf::error& err) { BOOST_FAIL(system.render(err)); });
  BOOST_CHECK_EQUAL(cancelled, 2u);
  check_failed(x.wait(id), ec::cancelled);
}

BOOST_AUTO_TEST_CASE(drains_when_the_last_answer_has_left) {
  start();
  auto x = connect();
  auto id = x.send(held_request(), latents()).value();
  auto waiting = x.send({{"cmd", "job_wait"}, {"job_id", "7"}, {"timeout_ms", 60000}}).value();
  until_held(1);
  auto drained = self->request(gateway.gateway, 30s, drain_atom_v);
  check_failed(x.wait(waiting), ec::shutting_down);
  check_failed(x.call({{"cmd", "ping"}}), ec::shutting_down);
  check_failed(client::connect(at_gateway()), ec::unavailable);
  self->request(pool, 10s, reset_atom_v).receive([](uint64_t) {}, [](caf::error&) {});
  BOOST_CHECK(x.wait(id));
  auto done = false;
  drained.receive([&](bool y) { done = y; },
                  [&](caf::error& err) { BOOST_FAIL(system.render(err)); });
  BOOST_CHECK(done);
}

BOOST_AUTO_TEST_CASE(drains_at_once_when_nothing_is_in_flight) {
  start();
  auto x = connect();
  self->request(gateway.gateway, 10s, drain_atom_v)
    .receive([](bool done) { BOOST_CHECK(done); },
             [&](caf::error& err) { BOOST_FAIL(system.render(err)); });
}

BOOST_AUTO_TEST_CASE(ends_its_connections_when_it_ends) {
  start();
  auto x = connect();
  auto y = connect_raw();
  end(gateway.gateway);
  gateway.gateway = nullptr;
  BOOST_CHECK(x.ends());
  BOOST_CHECK(y.ends());
}

BOOST_AUTO_TEST_SUITE_END()
