#include "actors/gateway/session.hpp"
#include "session_fakes.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(session_test, session_fixture)

// -- dispatch ---

BOOST_AUTO_TEST_CASE(refuses_an_unknown_command_with_the_nearest_name) {
  check(refusal({{"cmd", "vae_decod"}}), ec::unknown_command, "vae_decode");
}

BOOST_AUTO_TEST_CASE(refuses_a_command_that_is_not_built_yet) {
  check(refusal({{"cmd", "vlm_generate"}}), ec::unknown_command, "not built yet");
}

BOOST_AUTO_TEST_CASE(refuses_a_request_without_a_command) {
  check(refusal({{"model", "x"}}), ec::bad_request, "'cmd'");
}

BOOST_AUTO_TEST_CASE(refuses_a_forbidden_command_also_by_its_alias) {
  context->forbidden = {"unload_models"};
  check(refusal({{"cmd", "unload_models"}}), ec::not_permitted, "unload_models");
  check(refusal({{"cmd", "unload"}}), ec::not_permitted, "unload");
  BOOST_CHECK(manager->control.empty());
}

BOOST_AUTO_TEST_CASE(refuses_a_body_where_none_belongs) {
  check(refusal({{"cmd", "list_models"}}, latents()), ec::bad_request, "takes no body");
}

BOOST_AUTO_TEST_CASE(refuses_a_field_that_the_command_does_not_have) {
  check(refusal({{"cmd", "ping"}, {"dta", "x"}}), ec::bad_request, "'dta'");
}

BOOST_AUTO_TEST_CASE(answers_a_ping_with_its_data) {
  ask(1, {{"cmd", "ping"}, {"data", "hello"}});
  auto x = reply();
  BOOST_CHECK_EQUAL(x["pong"], true);
  BOOST_CHECK_EQUAL(x["data"], "hello");
  BOOST_CHECK(x["time"].is_number());
}

BOOST_AUTO_TEST_CASE(knows_the_aliases) {
  ask(1, {{"cmd", "health"}});
  BOOST_CHECK_EQUAL(reply()["pong"], true);
}

BOOST_AUTO_TEST_CASE(parses_a_large_header_itself) {
  auto in = std::make_shared<protocol::request_received>();
  in->id = 5;
  in->raw_header = json{{"cmd", "ping"}, {"data", std::string(60000, 'x')}}.dump();
  self->send(uut, run_atom_v, in);
  run();
  BOOST_CHECK_EQUAL(reply()["data"].get<std::string>().size(), 60000u);
}

BOOST_AUTO_TEST_CASE(tells_the_connection_of_a_large_header_that_is_none) {
  auto in = std::make_shared<protocol::request_received>();
  in->id = 5;
  in->raw_header = std::string(100000, '[');
  self->send(uut, run_atom_v, in);
  run();
  BOOST_CHECK(client->answers.empty());
  BOOST_REQUIRE_EQUAL(client->dropped.size(), 1u);
  BOOST_CHECK_EQUAL(client->dropped[0].id, 5u);
  BOOST_CHECK(client->dropped[0].problem->code == ec::bad_frame);
}

BOOST_AUTO_TEST_CASE(refuses_a_large_header_with_nan_and_goes_on) {
  auto in = std::make_shared<protocol::request_received>();
  in->id = 5;
  in->raw_header = R"({"cmd":"ping","x":NaN,"data":")" + std::string(70000, 'x') + "\"}";
  self->send(uut, run_atom_v, in);
  run();
  check(problem(), ec::bad_request, "NaN");
  BOOST_CHECK(client->dropped.empty());
}

BOOST_AUTO_TEST_CASE(counts_requests_by_what_they_are_for) {
  ask(1, {{"cmd", "ping"}});
  ask(2, {{"cmd", "get_status"}});
  ask(3, decode_request(), latents());
  ask(4, {{"cmd", "clip_tokenize"}, {"model", "clip.safetensors"}, {"text", "x"}});
  ask(5, {{"cmd", "list_models"}});
  BOOST_CHECK_EQUAL(context->counters->requests, 3u);
  BOOST_CHECK_EQUAL(context->counters->vae_requests, 1u);
  BOOST_CHECK_EQUAL(context->counters->clip_requests, 1u);
}

// -- cancel, disconnect, deadlines ---

BOOST_AUTO_TEST_CASE(cancels_a_request_at_once_and_takes_its_work_back) {
  ask(7, decode_request(), latents());
  auto task = pool->jobs.front().task.header.id;
  self->send(uut, cancel_atom_v, uint64_t{7});
  run();
  auto x = answer();
  BOOST_CHECK_EQUAL(x.id, 7u);
  BOOST_CHECK(x.problem->code == ec::cancelled);
  BOOST_CHECK(pool->cancelled == std::vector<uint64_t>{task});
}

BOOST_AUTO_TEST_CASE(answers_once_although_the_pool_answers_a_cancelled_task) {
  ask(7, decode_request(), latents());
  self->send(uut, cancel_atom_v, uint64_t{7});
  run();
  pool->refuse(ec::cancelled);
  run();
  BOOST_CHECK_EQUAL(client->answers.size(), 1u);
}

BOOST_AUTO_TEST_CASE(does_not_give_a_late_answer_to_a_new_request_of_the_same_id) {
  ask(7, decode_request(), latents());
  self->send(uut, cancel_atom_v, uint64_t{7});
  run();
  answer();
  ask(7, decode_request(), latents());
  pool->answer(tiles(1));
  run();
  BOOST_CHECK(client->answers.empty());
  pool->answer(tiles(2));
  run();
  BOOST_CHECK_EQUAL(reply()["tiles"], 2);
}

BOOST_AUTO_TEST_CASE(ignores_a_cancel_of_an_unknown_id) {
  self->send(uut, cancel_atom_v, uint64_t{99});
  run();
  BOOST_CHECK(client->answers.empty());
}

BOOST_AUTO_TEST_CASE(takes_everything_back_when_the_client_is_gone) {
  directory->models["far.safetensors"] = there();
  ask(1, decode_request(), latents());
  ask(2, {{"cmd", "vae_decode"}, {"model", "far.safetensors"}}, latents());
  auto task = pool->jobs.front().task.header.id;
  auto call = exchange->jobs.front().task.header.id;
  self->send(uut, drop_atom_v);
  run();
  BOOST_CHECK(pool->cancelled == std::vector<uint64_t>{task});
  BOOST_CHECK(exchange->cancelled == std::vector<uint64_t>{call});
  BOOST_CHECK(client->answers.empty());
}

BOOST_AUTO_TEST_CASE(takes_everything_back_when_its_connection_dies) {
  ask(1, decode_request(), latents());
  auto task = pool->jobs.front().task.header.id;
  self->send_exit(connection_handle, caf::exit_reason::kill);
  run();
  BOOST_CHECK(pool->cancelled == std::vector<uint64_t>{task});
}

BOOST_AUTO_TEST_CASE(gives_the_pool_the_time_that_is_left) {
  auto header = decode_request();
  header["deadline_ms"] = 5000;
  ask(1, header, latents());
  BOOST_CHECK_EQUAL(pool->jobs.front().task.header.deadline_ms, 5000u);
}

BOOST_AUTO_TEST_CASE(answers_timeout_when_a_pool_stays_silent_past_the_grace) {
  auto header = decode_request();
  header["deadline_ms"] = 5000;
  ask(1, header, latents());
  pass(6900ms);
  BOOST_CHECK(client->answers.empty());
  pass(200ms);
  check(problem(), ec::timeout, "pool");
}

BOOST_AUTO_TEST_CASE(an_answered_request_leaves_no_timer_behind) {
  auto header = decode_request();
  header["deadline_ms"] = 24 * 3600 * 1000;
  ask(1, header, latents());
  BOOST_CHECK_EQUAL(timers_for_later(), 1u);
  pool->answer();
  run();
  reply();
  BOOST_CHECK_EQUAL(timers_for_later(), 0u);
}

BOOST_AUTO_TEST_CASE(a_request_that_met_a_pool_that_stops_goes_to_another) {
  ask(1, decode_request(), latents());
  directory->models["vae.safetensors"] = here(other_pool_handle, "other");
  pool->refuse(ec::shutting_down);
  run();
  pass(200ms);
  BOOST_REQUIRE_EQUAL(other_pool->jobs.size(), 1u);
  other_pool->answer();
  run();
  reply();
}

BOOST_AUTO_TEST_CASE(resets_what_can_be_cancelled_and_tells_how_many) {
  ask(1, decode_request(), latents());
  ask(2, {{"cmd", "job_wait"}, {"job_id", "7"}, {"timeout_ms", 1000}});
  ask(3, {{"cmd", "submit_async"}, {"task_data", json::object()}}, {zeros("image_0", {2, 2, 3})});
  BOOST_CHECK_EQUAL(actor_fixture::ask<uint64_t>(uut, reset_atom_v).value(), 2u);
  BOOST_CHECK_EQUAL(client->answers.size(), 2u);
  saves->submits.front().promise.deliver(std::string{R"({"success":true})"});
  run();
  BOOST_CHECK_EQUAL(client->answers.size(), 3u);
  BOOST_CHECK_EQUAL(client->answers.back().id, 3u);
}

BOOST_AUTO_TEST_CASE(answers_those_who_wait_for_a_job_when_the_node_stops) {
  ask(1, {{"cmd", "job_wait"}, {"job_id", "7"}, {"timeout_ms", 600000}});
  ask(2, decode_request(), latents());
  self->send(uut, drain_atom_v);
  run();
  auto x = answer();
  BOOST_CHECK_EQUAL(x.id, 1u);
  BOOST_CHECK(x.problem->code == ec::shutting_down);
  BOOST_CHECK(client->answers.empty()); // the decode goes on
}

BOOST_AUTO_TEST_CASE(answers_what_outlasts_the_stop_of_the_node) {
  ask(1, decode_request(), latents());
  context->counters->draining = true;
  BOOST_CHECK_EQUAL(actor_fixture::ask<uint64_t>(uut, reset_atom_v).value(), 1u);
  auto x = answer();
  BOOST_CHECK_EQUAL(x.id, 1u);
  BOOST_CHECK(x.problem->code == ec::shutting_down);
  BOOST_CHECK_EQUAL(pool->cancelled.size(), 1u);
}

// -- progress and events ---

BOOST_AUTO_TEST_CASE(tells_progress_at_most_ten_times_a_second) {
  auto header = decode_request();
  header["progress"] = true;
  ask(7, header, latents());
  auto& task = pool->jobs.front().task;
  BOOST_REQUIRE(task.listener);
  for (uint64_t i = 1; i <= 5; ++i) {
    self->send(task.listener, progress_atom_v, task_progress{task.header.id, "tile", i, 20});
    pass(25ms);
  }
  BOOST_REQUIRE_EQUAL(client->events.size(), 2u);
  BOOST_CHECK_EQUAL(client->events[0].first, 7u);
  json expected{{"event", "progress"}, {"value", 1}, {"max", 20}, {"stage", "tile"}};
  BOOST_CHECK_EQUAL(client->events[0].second, expected);
  BOOST_CHECK_EQUAL(client->events[1].second["value"], 5);
}

BOOST_AUTO_TEST_CASE(tells_no_progress_that_nobody_asked_for) {
  ask(7, decode_request(), latents());
  auto& task = pool->jobs.front().task;
  BOOST_CHECK(!task.listener);
  self->send(uut, progress_atom_v, task_progress{task.header.id, "tile", 1, 20});
  run();
  BOOST_CHECK(client->events.empty());
}

BOOST_AUTO_TEST_CASE(passes_on_the_events_of_subscribed_topics) {
  ask(1, {{"cmd", "subscribe"}, {"events", {"job"}}});
  BOOST_CHECK_EQUAL(reply(), json::object());
  self->send(hub, publish_atom_v, event{"job", R"({"event":"job","job_id":"7"})"});
  self->send(hub, publish_atom_v, event{"node", R"({"event":"node"})"});
  run();
  BOOST_REQUIRE_EQUAL(client->events.size(), 1u);
  BOOST_CHECK_EQUAL(client->events[0].first, 0u);
  BOOST_CHECK_EQUAL(client->events[0].second["job_id"], "7");
}

BOOST_AUTO_TEST_CASE(ends_a_subscription_with_an_empty_list) {
  ask(1, {{"cmd", "subscribe"}, {"events", {"job"}}});
  ask(2, {{"cmd", "subscribe"}, {"events", json::array()}});
  self->send(hub, publish_atom_v, event{"job", R"({"event":"job"})"});
  run();
  BOOST_CHECK(client->events.empty());
}

BOOST_AUTO_TEST_CASE(refuses_a_topic_that_does_not_exist) {
  check(refusal({{"cmd", "subscribe"}, {"events", {"jobs"}}}), ec::bad_request, "\"job\"");
  check(refusal({{"cmd", "subscribe"}}), ec::bad_request, "'events'");
}

BOOST_AUTO_TEST_CASE(leaves_the_event_hub_before_it_ends) {
  ask(1, {{"cmd", "subscribe"}, {"events", {"job"}}});
  BOOST_CHECK_EQUAL(state_of<event_hub_state>(hub).listeners.size(), 1u);
  self->send(uut, drop_atom_v);
  run();
  BOOST_CHECK(state_of<event_hub_state>(hub).listeners.empty());
}

BOOST_AUTO_TEST_CASE(says_that_there_is_no_shared_memory_and_why) {
  ask(1, {{"cmd", "negotiate_ipc"}, {"host_id", "h"}, {"gpu_uuid", nullptr}});
  auto x = reply();
  BOOST_CHECK_EQUAL(x["shared_memory"], false);
  BOOST_CHECK_EQUAL(x["cuda_ipc"], false);
  BOOST_CHECK(!x["reason"].get<std::string>().empty());
}

BOOST_AUTO_TEST_SUITE_END()
