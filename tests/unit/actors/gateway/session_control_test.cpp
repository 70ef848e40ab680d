#include "session_fakes.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

namespace {

struct fixture : session_fixture {
  json submit_request() const {
    return {{"cmd", "submit_async"}, {"task_data", json::parse(R"({"z":1,"a":{"k":[2]}})")}};
  }
  std::vector<named_tensor> images() const { return {zeros("image_0", {2, 2, 3})}; }

  command_report two_answers() const {
    command_report report;
    report.epoch = 42;
    report.answers = {{"alpha/cpu", true, ""}, {"beta", false, "the node is away"}};
    return report;
  }

  node_snapshot& node(const std::string& name, const std::string& state = "up") {
    auto& x = directory->view.nodes.emplace_back();
    x.node = name;
    x.state = state;
    x.models_revision = 7;
    return x;
  }

  static model_row row(std::string name, std::vector<model_kind> kinds, std::string folder) {
    model_row x;
    x.name = std::move(name);
    x.kinds = std::move(kinds);
    x.folder = std::move(folder);
    x.bytes = 1000;
    x.modified_ns = 1'500'000'000;
    return x;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(session_control_test, fixture)

// -- saving ---

BOOST_AUTO_TEST_CASE(submits_a_save_in_the_order_of_its_fields) {
  auto header = submit_request();
  header["key"] = "k1";
  ask(1, header, images());
  BOOST_REQUIRE_EQUAL(saves->submits.size(), 1u);
  auto& job = saves->submits.front().what;
  BOOST_CHECK_EQUAL(job.task, R"({"z":1,"a":{"k":[2]}})");
  BOOST_CHECK_EQUAL(job.key, "k1");
  BOOST_CHECK_EQUAL(job.tensors.at(0).name, "image_0");
  saves->submits.front().promise.deliver(std::string{R"({"success":true,"job_id":"7"})"});
  run();
  BOOST_CHECK_EQUAL(reply()["job_id"], "7");
}

BOOST_AUTO_TEST_CASE(submits_to_another_node_with_the_time_that_is_left) {
  directory->saves = there();
  directory->saves->saves = saves_handle;
  auto header = submit_request();
  header["deadline_ms"] = 9000;
  ask(1, header, images());
  BOOST_REQUIRE_EQUAL(exchange->saves.size(), 1u);
  BOOST_CHECK_EQUAL(exchange->saves.front().deadline_ms, 9000u);
  exchange->saves.front().promise.deliver(make_error(ec::overloaded, "the spool is full"));
  run();
  check(problem(), ec::overloaded, "spool");
}

BOOST_AUTO_TEST_CASE(does_not_cancel_a_submit_that_is_on_its_way) {
  ask(1, submit_request(), images());
  self->send(uut, cancel_atom_v, uint64_t{1});
  run();
  BOOST_CHECK(client->answers.empty());
  saves->submits.front().promise.deliver(std::string{R"({"success":true})"});
  run();
  BOOST_CHECK_EQUAL(reply()["success"], true);
}

BOOST_AUTO_TEST_CASE(answers_timeout_when_a_submit_is_not_durable_by_its_deadline) {
  auto header = submit_request();
  header["deadline_ms"] = 1000;
  ask(1, header, images());
  pass(1001ms);
  check(problem(), ec::timeout, "save queue");
}

BOOST_AUTO_TEST_CASE(refuses_wrong_submits_by_name) {
  check(refusal({{"cmd", "submit_async"}}), ec::bad_request, "'task_data'");
  auto header = submit_request();
  header["task_name"] = "save_videos";
  check(refusal(header), ec::bad_request, "'task_name'");
  header = submit_request();
  header["key"] = std::string(201, 'k');
  check(refusal(header), ec::bad_request, "'key'");
  directory->saves.reset();
  check(refusal(submit_request(), images()), ec::unavailable, "saving node");
}

BOOST_AUTO_TEST_CASE(asks_the_save_queue_about_jobs) {
  ask(1, {{"cmd", "job_status"}, {"job_id", "7"}});
  ask(2, {{"cmd", "job_cancel"}, {"job_id", "7"}});
  ask(3, {{"cmd", "job_retry"}, {"job_id", "7"}});
  ask(4, {{"cmd", "job_list"}, {"state", "failed"}, {"limit", 5}});
  ask(5, {{"cmd", "job_list"}});
  ask(6, {{"cmd", "job_discard"}, {"job_id", "7"}});
  for (auto* expected :
       {"status 7", "cancel 7", "retry 7", "list failed 5", "list  100", "discard 7"})
    BOOST_CHECK_EQUAL(reply()["asked"], expected);
}

BOOST_AUTO_TEST_CASE(refuses_wrong_job_requests_by_name) {
  check(refusal({{"cmd", "job_status"}}), ec::bad_request, "'job_id'");
  check(refusal({{"cmd", "job_status"}, {"job_id", 7}}), ec::bad_request, "'job_id'");
  check(refusal({{"cmd", "job_wait"}, {"job_id", "7"}}), ec::bad_request, "'timeout_ms'");
  check(refusal({{"cmd", "job_list"}, {"state", "dead"}}), ec::bad_request, "'state'");
  check(refusal({{"cmd", "job_list"}, {"limit", 0}}), ec::bad_request, "'limit'");
}

BOOST_AUTO_TEST_CASE(waits_for_a_job_five_seconds_longer_than_asked) {
  ask(1, {{"cmd", "job_wait"}, {"job_id", "7"}, {"timeout_ms", 10000}, {"deadline_ms", 1}});
  BOOST_CHECK_EQUAL(saves->asked.at(0), "wait 7 10000");
  pass(14900ms);
  BOOST_CHECK(client->answers.empty());
  pass(200ms);
  check(problem(), ec::timeout, "save queue");
}

BOOST_AUTO_TEST_CASE(stops_waiting_for_a_job_when_cancelled) {
  ask(1, {{"cmd", "job_wait"}, {"job_id", "7"}, {"timeout_ms", 10000}});
  self->send(uut, cancel_atom_v, uint64_t{1});
  run();
  BOOST_CHECK(problem().code == ec::cancelled);
}

BOOST_AUTO_TEST_CASE(nobody_waits_for_a_job_any_more_when_the_client_does_not) {
  auto wait = [&](uint64_t id) {
    ask(id, {{"cmd", "job_wait"}, {"job_id", "7"}, {"timeout_ms", 86'400'000}});
    BOOST_CHECK(!has_ended(saves->waiting.back()));
  };
  wait(1);
  self->send(uut, cancel_atom_v, uint64_t{1});
  run();
  BOOST_CHECK(has_ended(saves->waiting.back()));
  wait(2);
  self->send(uut, drain_atom_v);
  run();
  BOOST_CHECK(has_ended(saves->waiting.back()));
  wait(3);
  self->send(uut, drop_atom_v); // the client is gone
  run();
  BOOST_CHECK(has_ended(saves->waiting.back()));
  BOOST_CHECK_EQUAL(timers_for_later(), 0u);
}

BOOST_AUTO_TEST_CASE(an_answered_wait_leaves_no_timer_behind) {
  ask(1, {{"cmd", "job_wait"}, {"job_id", "7"}, {"timeout_ms", 86'400'000}});
  BOOST_CHECK_EQUAL(timers_for_later(), 2u); // the session's and the waiter's
  saves->waits.front().deliver(std::string{R"({"state":"done"})"});
  run();
  BOOST_CHECK_EQUAL(reply()["state"], "done");
  BOOST_CHECK_EQUAL(timers_for_later(), 0u);
  BOOST_CHECK(has_ended(saves->waiting.back()));
}

// -- control ---

BOOST_AUTO_TEST_CASE(sets_the_attention_mode_of_the_cluster_and_tells_who_did) {
  manager->report = two_answers();
  ask(1, {{"cmd", "set_attention_mode"}, {"mode", "flash"}});
  BOOST_REQUIRE_EQUAL(manager->control.size(), 1u);
  BOOST_CHECK(manager->control[0].action == cluster_action::attention);
  BOOST_CHECK(manager->control[0].mode == attention_mode::flash);
  BOOST_CHECK_EQUAL(reply(), json::parse(R"({"mode":"flash","epoch":42,"done":false,"answers":[
      {"who":"alpha/cpu","done":true,"problem":""},
      {"who":"beta","done":false,"problem":"the node is away"}]})"));
  check(refusal({{"cmd", "set_attention_mode"}, {"mode", "fast"}}), ec::bad_request, "'mode'");
  check(refusal({{"cmd", "set_attention_mode"}}), ec::bad_request, "'mode'");
}

BOOST_AUTO_TEST_CASE(unloads_models_and_tells_the_measured_bytes) {
  manager->report.epoch = 3;
  manager->report.unload.unloaded = {{"a.safetensors", model_kind::vae, "cpu", 500}};
  manager->report.unload.freed_bytes = {{"cpu", 500}};
  manager->report.unload.kept = {{"b.safetensors", "a request uses it"}};
  ask(1, {{"cmd", "unload"}, {"kinds", {"vae"}}, {"models", {"a.safetensors"}}});
  BOOST_CHECK(manager->control.at(0).kinds == std::vector{model_kind::vae});
  BOOST_CHECK(manager->control.at(0).models == std::vector<std::string>{"a.safetensors"});
  auto x = reply();
  BOOST_CHECK_EQUAL(x["unloaded"][0],
                    json::parse(R"({"model":"a.safetensors","device":"cpu","bytes":500})"));
  BOOST_CHECK_EQUAL(x["freed_bytes"]["cpu"], 500);
  BOOST_CHECK_EQUAL(x["kept"][0]["reason"], "a request uses it");
  BOOST_CHECK_EQUAL(x["epoch"], 3);
  check(refusal({{"cmd", "unload_models"}, {"kinds", {"lora"}}}), ec::bad_request, "'kinds'");
}

BOOST_AUTO_TEST_CASE(resets_its_own_connection_without_asking_anybody) {
  ask(1, {{"cmd", "subscribe"}, {"events", {"job"}}});
  reply();
  ask(2, {{"cmd", "vae_decode"}, {"model", "vae.safetensors"}}, latents());
  ask(3, {{"cmd", "reset"}});
  auto cancelled = answer();
  BOOST_CHECK_EQUAL(cancelled.id, 2u);
  BOOST_CHECK(cancelled.problem->code == ec::cancelled);
  BOOST_CHECK_EQUAL(reply(), json::parse(R"({"cancelled":1})"));
  BOOST_CHECK(state_of<event_hub_state>(hub).listeners.empty());
  BOOST_CHECK(manager->control.empty());
}

BOOST_AUTO_TEST_CASE(resets_the_cluster_by_the_supervisor) {
  manager->report = two_answers();
  manager->report.cancelled = 9;
  ask(1, {{"cmd", "reset"}, {"scope", "cluster"}});
  BOOST_CHECK(manager->control.at(0).action == cluster_action::reset);
  auto x = reply();
  BOOST_CHECK_EQUAL(x["cancelled"], 9);
  BOOST_CHECK_EQUAL(x["answers"].size(), 2u);
  check(refusal({{"cmd", "reset"}, {"scope", "node"}}), ec::bad_request, "'scope'");
}

BOOST_AUTO_TEST_CASE(shuts_down_this_node_or_all) {
  ask(1, {{"cmd", "shutdown"}});
  BOOST_REQUIRE_EQUAL(manager->run.size(), 1u);
  BOOST_CHECK_EQUAL(manager->run[0].deadline_ms, 30000u);
  BOOST_CHECK_EQUAL(reply(), json::parse(R"({"accepted":true})"));
  manager->report = two_answers();
  ask(2, {{"cmd", "shutdown"}, {"scope", "cluster"}, {"deadline_ms", 500}});
  BOOST_CHECK_EQUAL(manager->control.at(0).deadline_ms, 500u);
  auto x = reply();
  BOOST_CHECK_EQUAL(x["accepted"], true);
  BOOST_CHECK_EQUAL(x["done"], false);
}

BOOST_AUTO_TEST_CASE(says_that_cluster_commands_are_unavailable_without_a_manager) {
  context->node_manager = nullptr;
  check(refusal({{"cmd", "reset"}, {"scope", "cluster"}}), ec::unavailable, "manager");
}

// -- what there is ---

BOOST_AUTO_TEST_CASE(lists_a_row_for_each_kind_that_a_file_serves) {
  directory->view.self = "alpha";
  auto& alpha = node("alpha");
  alpha.models = {row("full.safetensors", {model_kind::text, model_kind::vae}, "checkpoints")};
  alpha.devices = {{"cpu", 0, 0, 0, {{"full.safetensors", model_kind::vae, "cpu", 10}}}};
  ask(1, {{"cmd", "list_models"}});
  auto x = reply();
  BOOST_CHECK_EQUAL(x["revision"], 7);
  BOOST_REQUIRE_EQUAL(x["models"].size(), 2u);
  BOOST_CHECK_EQUAL(x["models"][0], json::parse(R"({"name":"full.safetensors","kind":"text",
    "folder":"checkpoints","bytes":1000,"modified":1.5,"loaded":[]})"));
  BOOST_CHECK_EQUAL(x["models"][1]["loaded"], json::array({"cpu"}));
  ask(2, {{"cmd", "list_models"}, {"kinds", {"vae"}}});
  BOOST_CHECK_EQUAL(reply()["models"].size(), 1u);
}

BOOST_AUTO_TEST_CASE(lists_a_model_of_two_nodes_once) {
  directory->view.self = "alpha";
  node("alpha").models = {row("a.safetensors", {model_kind::vae}, "vae")};
  auto& beta = node("beta");
  beta.models = {row("a.safetensors", {model_kind::vae}, "vae"),
                 row("b.safetensors", {model_kind::vae}, "vae")};
  beta.models[0].family = "taesd";
  beta.devices = {{"cuda:0", 0, 0, 0, {{"a.safetensors", model_kind::vae, "cuda:0", 10}}}};
  ask(1, {{"cmd", "list_models"}});
  auto x = reply();
  BOOST_REQUIRE_EQUAL(x["models"].size(), 2u);
  BOOST_CHECK_EQUAL(x["models"][0]["family"], "taesd");
  BOOST_CHECK_EQUAL(x["models"][0]["loaded"], json::array({"beta/cuda:0"}));
  auto revision = x["revision"];
  directory->view.nodes[1].models_revision = 8;
  ask(2, {{"cmd", "list_models"}});
  BOOST_CHECK_NE(reply()["revision"], revision);
}

BOOST_AUTO_TEST_CASE(tells_what_the_cluster_is_and_does) {
  directory->view.self = "alpha";
  auto& alpha = node("alpha");
  alpha.state_seen.mode = attention_mode::split;
  alpha.devices = {{"cuda:0",
                    2'000'000'000,
                    8'000'000'000,
                    6'000'000'000,
                    {{"a.safetensors", model_kind::vae, "cuda:0", 10}}}};
  alpha.pools = {{"vae", model_kind::vae, "cuda:0", 1, 2, 30, 4, 1500, 2500}};
  node("beta", "away");
  context->counters->connections = 5;
  for (auto* cmd : {"get_status", "get_info", "info"}) {
    ask(1, {{"cmd", cmd}});
    auto x = reply();
    BOOST_CHECK_EQUAL(x["node"], "alpha");
    BOOST_CHECK_EQUAL(x["cluster"], "studio");
    BOOST_CHECK_EQUAL(x["status"], "running");
    BOOST_CHECK_EQUAL(x["attention_mode"], "split");
    BOOST_CHECK_EQUAL(x["connections"], 5);
    BOOST_CHECK_EQUAL(x["nodes"], json::parse(R"([{"name":"alpha","state":"up"},
                                                   {"name":"beta","state":"away"}])"));
    BOOST_CHECK_EQUAL(x["devices"][0], json::parse(R"({"name":"cuda:0","node":"alpha",
      "used_bytes":2000000000,"total_bytes":8000000000,"budget_bytes":6000000000})"));
    BOOST_CHECK_EQUAL(x["vram"]["cuda:0"], json::parse(R"({"used_gb":2.0,"total_gb":8.0})"));
    BOOST_CHECK_EQUAL(x["pools"][0], json::parse(R"({"name":"vae","kind":"vae","node":"alpha",
      "device":"cuda:0","queued":1,"running":2,"models":["a.safetensors"],"completed":30,
      "failed":4,"p50_ms":1.5,"p95_ms":2.5})"));
    BOOST_CHECK_EQUAL(x["save_queue"]["queued"], 3);
    BOOST_CHECK_EQUAL(x["caches"], json::object());
  }
}

BOOST_AUTO_TEST_CASE(tells_its_status_also_while_the_saving_node_is_away) {
  directory->saves.reset();
  ask(1, {{"cmd", "get_status"}});
  BOOST_CHECK_EQUAL(reply()["save_queue"]["problem"], "the saving node is away");
}

BOOST_AUTO_TEST_SUITE_END()
