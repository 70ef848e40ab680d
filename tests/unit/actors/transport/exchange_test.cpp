#include <cstring>
#include <numeric>

#include "actors/transport/exchange.hpp"
#include "fixture.hpp"
#include "messages/work_arguments.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

namespace {

tensor_block counting(int64_t count, uint32_t first) {
  std::vector<uint32_t> xs(static_cast<size_t>(count));
  std::iota(xs.begin(), xs.end(), first);
  return tensor_block::copy_of(dtype::u32, {count}, std::as_bytes(std::span{xs}));
}

bool same(const tensor_block& x, const tensor_block& y) {
  return x.shape() == y.shape()
      && std::memcmp(x.bytes().data(), y.bytes().data(), x.size_bytes()) == 0;
}

/// What a dummy pool has seen.
struct pool_log {
  std::vector<uint64_t> cancelled;
  std::vector<task_header> headers;
};

/// Answers each task with its own tensors and tells its listener half-way.
pool_actor::behavior_type echo_pool(pool_actor::pointer self, std::shared_ptr<pool_log> log) {
  return {[self, log](run_atom, const model_task& task) -> caf::result<model_result> {
            log->headers.push_back(task.header);
            if (task.listener)
              self->send(task.listener, progress_atom_v,
                         task_progress{task.header.id, "decode", 1, 2});
            return model_result{{caf::make_message(tiling_report{true, 9}), {{"tiled", "t", 0}}},
                                task.tensors};
          },
          [log](cancel_atom, uint64_t id) { log->cancelled.push_back(id); },
          [](reset_atom) { return uint64_t{0}; }, [](drain_atom) { return true; },
          [](status_atom) { return pool_row{}; }};
}

/// Never answers.
pool_actor::behavior_type mute_pool(pool_actor::pointer self, std::shared_ptr<pool_log> log) {
  return {[self, log](run_atom, const model_task& task) -> caf::result<model_result> {
            log->headers.push_back(task.header);
            return self->make_response_promise<model_result>();
          },
          [log](cancel_atom, uint64_t id) { log->cancelled.push_back(id); },
          [](reset_atom) { return uint64_t{0}; }, [](drain_atom) { return true; },
          [](status_atom) { return pool_row{}; }};
}

progress_actor::behavior_type listener(progress_actor::pointer,
                                       std::shared_ptr<std::vector<task_progress>> heard) {
  return {[heard](progress_atom, const task_progress& x) { heard->push_back(x); }};
}

struct fixture : actor_fixture {
  std::shared_ptr<byte_budget> here_buffers = byte_budget::make(64 << 20);
  std::shared_ptr<byte_budget> there_buffers = byte_budget::make(64 << 20);
  exchange_actor here = system.spawn(exchange, here_buffers);
  exchange_actor there = system.spawn(exchange, there_buffers);
  std::shared_ptr<pool_log> log = std::make_shared<pool_log>();
  pool_actor pool;

  template <class Function>
  void serve(Function function) {
    pool = system.spawn(function, log);
    self->send(there, register_atom_v, std::string{"vae"}, pool);
    run();
  }

  route to_there() {
    route x;
    x.node = "there";
    x.pool = "vae";
    x.there = there;
    return x;
  }

  model_task task(std::vector<named_tensor> tensors, uint32_t deadline_ms = 10000) {
    model_task x;
    x.header.id = next_task_id();
    x.header.kind = "vae_decode";
    x.header.deadline_ms = deadline_ms;
    x.tensors = std::move(tensors);
    return x;
  }

  exchange_state& state(const exchange_actor& x) { return state_of<exchange_state>(x); }

  void check_nothing_left() {
    BOOST_CHECK(state(here).outgoing.empty());
    BOOST_CHECK(state(there).incoming.empty());
    BOOST_CHECK(state(there).tasks.empty());
    BOOST_CHECK_EQUAL(here_buffers->used(), 0u);
    BOOST_CHECK_EQUAL(there_buffers->used(), 0u);
  }

  ~fixture() {
    end(here, there);
    if (pool)
      end(pool);
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(exchange_test, fixture)

BOOST_AUTO_TEST_CASE(tensors_go_there_and_back_unchanged) {
  serve(echo_pool);
  {
    // 9 MB: more than two windows of chunks.
    std::vector<named_tensor> sent{{"latents", counting(2'400'000, 5)}, {"small", counting(3, 1)}};
    auto got = ask<model_result>(here, run_atom_v, to_there(), task(sent));
    BOOST_REQUIRE_MESSAGE(got.has_value(), (got ? "" : got.error().message));
    BOOST_CHECK((got->answer.attributes.get_as<tiling_report>(0) == tiling_report{true, 9}));
    BOOST_CHECK_EQUAL(got->answer.warnings.at(0).code, "tiled");
    BOOST_REQUIRE_EQUAL(got->tensors.size(), 2u);
    BOOST_CHECK(same(got->tensors[0].tensor, sent[0].tensor));
    BOOST_CHECK(same(got->tensors[1].tensor, sent[1].tensor));
    BOOST_CHECK_EQUAL(got->tensors[1].name, "small");
  }
  check_nothing_left();
}

BOOST_AUTO_TEST_CASE(a_call_without_tensors_works) {
  serve(echo_pool);
  auto got = ask<model_result>(here, run_atom_v, to_there(), task({}));
  BOOST_REQUIRE(got.has_value());
  check_nothing_left();
}

BOOST_AUTO_TEST_CASE(progress_reaches_the_listener_under_the_callers_id) {
  serve(echo_pool);
  auto heard = std::make_shared<std::vector<task_progress>>();
  auto ear = system.spawn(listener, heard);
  auto x = task({});
  x.listener = ear;
  x.header.wants_progress = true;
  auto id = x.header.id;
  BOOST_REQUIRE(ask<model_result>(here, run_atom_v, to_there(), std::move(x)).has_value());
  BOOST_REQUIRE_EQUAL(heard->size(), 1u);
  BOOST_CHECK_EQUAL(heard->front().id, id);
  BOOST_CHECK_EQUAL(heard->front().stage, "decode");
  end(ear);
}

BOOST_AUTO_TEST_CASE(a_pool_that_is_not_there_is_unavailable) {
  auto got = ask<model_result>(here, run_atom_v, to_there(), task({}));
  BOOST_REQUIRE(!got.has_value());
  BOOST_CHECK(got.error().code == ec::unavailable);
  check_nothing_left();
}

BOOST_AUTO_TEST_CASE(a_full_node_over_there_is_overloaded) {
  serve(echo_pool);
  auto taken = there_buffers->try_take(64 << 20);
  auto got = ask<model_result>(here, run_atom_v, to_there(), task({{"x", counting(10, 0)}}));
  BOOST_REQUIRE(!got.has_value());
  BOOST_CHECK(got.error().code == ec::overloaded);
  BOOST_CHECK(log->headers.empty());
}

BOOST_AUTO_TEST_CASE(a_full_node_here_gives_up_the_answer) {
  serve(echo_pool);
  auto taken = here_buffers->try_take(64 << 20);
  auto got = ask<model_result>(here, run_atom_v, to_there(), task({{"x", counting(10, 0)}}));
  BOOST_REQUIRE(!got.has_value());
  BOOST_CHECK(got.error().code == ec::overloaded);
  taken->release();
  check_nothing_left();
}

BOOST_AUTO_TEST_CASE(the_death_of_the_peer_is_unavailable_at_once) {
  serve(mute_pool);
  auto pending = self->request(here, 60min, run_atom_v, to_there(), task({{"x", counting(10, 0)}}));
  run();
  BOOST_REQUIRE_EQUAL(log->headers.size(), 1u);
  self->send_exit(there, caf::exit_reason::kill);
  run();
  auto got = receive<model_result>(pending);
  BOOST_REQUIRE(!got.has_value());
  BOOST_CHECK(got.error().code == ec::unavailable);
  BOOST_CHECK(state(here).outgoing.empty());
}

BOOST_AUTO_TEST_CASE(the_death_of_the_caller_stops_the_work) {
  serve(mute_pool);
  self->send(here, run_atom_v, to_there(), task({{"x", counting(10, 0)}}));
  run();
  BOOST_REQUIRE_EQUAL(log->headers.size(), 1u);
  self->send_exit(here, caf::exit_reason::kill);
  run();
  BOOST_REQUIRE_EQUAL(log->cancelled.size(), 1u);
  BOOST_CHECK_EQUAL(log->cancelled[0], log->headers[0].id);
  BOOST_CHECK(state(there).incoming.empty());
  BOOST_CHECK_EQUAL(there_buffers->used(), 0u);
}

BOOST_AUTO_TEST_CASE(a_cancel_answers_at_once_and_reaches_the_pool) {
  serve(mute_pool);
  auto x = task({{"x", counting(10, 0)}});
  auto id = x.header.id;
  auto pending = self->request(here, 60min, run_atom_v, to_there(), std::move(x));
  run();
  self->send(here, cancel_atom_v, id);
  run();
  auto got = receive<model_result>(pending);
  BOOST_REQUIRE(!got.has_value());
  BOOST_CHECK(got.error().code == ec::cancelled);
  BOOST_CHECK_EQUAL(log->cancelled.size(), 1u);
  check_nothing_left();
}

BOOST_AUTO_TEST_CASE(the_deadline_ends_a_call_on_both_sides) {
  serve(mute_pool);
  auto pending =
    self->request(here, 60min, run_atom_v, to_there(), task({{"x", counting(10, 0)}}, 5000));
  run();
  pass(5900ms);
  BOOST_CHECK_EQUAL(state(here).outgoing.size(), 1u);
  pass(200ms);
  auto got = receive<model_result>(pending);
  BOOST_REQUIRE(!got.has_value());
  BOOST_CHECK(got.error().code == ec::timeout);
  BOOST_CHECK_EQUAL(log->cancelled.size(), 1u);
  check_nothing_left();
}

BOOST_AUTO_TEST_CASE(no_more_than_a_window_of_chunks_is_ever_on_its_way) {
  serve(mute_pool);
  call_offer offer;
  offer.call = 1;
  offer.pool = "vae";
  offer.deadline_ms = 10000;
  offer.caller = here;
  offer.tensors = {{"x", dtype::u32, {4'000'000}}};
  auto grant = ask<chunk_grant>(there, open_atom_v, offer);
  BOOST_REQUIRE(grant.has_value());
  BOOST_CHECK_LE(grant->chunks * max_chunk_bytes, size_t{4} << 20);
}

BOOST_AUTO_TEST_SUITE_END()
