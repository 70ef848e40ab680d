#include "actors/device/device_manager.hpp"
#include "fakes.hpp"
#include "fixture.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

namespace {

using grant_pointer = std::shared_ptr<lease_grant>;

/// Stands for a pool that may die.
caf::behavior bystander(caf::event_based_actor* self, device_actor device) {
  return {[self, device](std::shared_ptr<lease_request> x) {
    self->request(device, 3600s, lease_atom_v, x).then([](const grant_pointer&) {});
  }};
}

struct fixture : actor_fixture {
  std::shared_ptr<worker_desk> desk = std::make_shared<worker_desk>();
  device_options options = fake_device(desk, 1000);
  device_actor uut;
  uint64_t last_id = 0;

  using pending_lease =
    decltype(self->request(uut, 3600s, lease_atom_v, std::shared_ptr<lease_request>{}));

  fixture() { start(); }

  void start() {
    if (uut)
      end(uut);
    uut = system.spawn(device_manager, options);
    run();
  }

  std::shared_ptr<lease_request> need(const std::string& model, uint64_t weights,
                                      uint64_t working = 0, caf::timespan patience = 60s) {
    auto x = std::make_shared<lease_request>();
    x->id = ++last_id;
    x->model = fake_model(model, model_kind::vae, weights);
    x->key = x->model->key;
    x->weight_bytes = weights;
    x->working_bytes = working;
    x->deadline = system.clock().now() + patience;
    return x;
  }

  result<grant_pointer> lease(std::shared_ptr<lease_request> x) {
    return ask<grant_pointer>(uut, lease_atom_v, std::move(x));
  }

  /// Asks without waiting for the answer.
  pending_lease line_up(std::shared_ptr<lease_request> x) {
    auto pending = self->request(uut, 3600s, lease_atom_v, std::move(x));
    run();
    return pending;
  }

  void release(uint64_t id, uint64_t bytes) {
    self->send(uut, release_atom_v, id, bytes);
    run();
  }

  /// Loads a model and leaves it there.
  void have(const std::string& model, uint64_t bytes) {
    auto x = need(model, bytes);
    BOOST_REQUIRE(lease(x));
    release(x->id, bytes);
  }

  result<unload_report> unload(std::vector<model_kind> kinds = {},
                               std::vector<std::string> models = {}) {
    return ask<unload_report>(uut, unload_atom_v, std::move(kinds), std::move(models));
  }

  device_row row() { return ask<device_row>(uut, status_atom_v).value(); }

  void crash() {
    self->send_exit(desk->worker, caf::exit_reason::kill);
    run();
  }

  ~fixture() { end(uut); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(device_manager_test, fixture)

BOOST_AUTO_TEST_CASE(a_lease_names_the_worker_and_the_memory) {
  auto grant = lease(need("a", 300, 200)).value();
  BOOST_TEST((grant->worker == desk->worker));
  BOOST_TEST(grant->working_bytes == 200u);
  BOOST_TEST((grant->attention->load() == attention_mode::automatic));
  BOOST_TEST(row().used_bytes == 500u);
}

BOOST_AUTO_TEST_CASE(one_works_at_a_time_by_priority_and_in_order) {
  auto running = need("a", 100);
  BOOST_REQUIRE(lease(running));
  auto early = need("a", 100);
  auto late = need("a", 100);
  auto urgent = need("a", 100);
  urgent->priority = 1;
  auto pending_early = line_up(early);
  auto pending_late = line_up(late);
  auto pending_urgent = line_up(urgent);
  release(running->id, 100);
  BOOST_TEST(receive<grant_pointer>(pending_urgent).value()->id == urgent->id);
  release(urgent->id, 100);
  BOOST_TEST(receive<grant_pointer>(pending_early).value()->id == early->id);
  release(early->id, 100);
  BOOST_TEST(receive<grant_pointer>(pending_late).value()->id == late->id);
}

BOOST_AUTO_TEST_CASE(what_can_never_fit_is_out_of_memory_at_once) {
  BOOST_REQUIRE(lease(need("a", 100)));
  auto answer = lease(need("huge", 900, 200));
  BOOST_REQUIRE(!answer);
  BOOST_TEST((answer.error().code == ec::out_of_memory));
  BOOST_TEST(answer.error().message.find("huge") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_deadline_that_passes_in_line_is_a_timeout_and_frees_the_place) {
  auto running = need("a", 100);
  BOOST_REQUIRE(lease(running));
  auto hasty = line_up(need("b", 100, 0, 2s));
  auto patient = need("c", 100);
  auto pending = line_up(patient);
  pass(2s);
  auto answer = receive<grant_pointer>(hasty);
  BOOST_REQUIRE(!answer);
  BOOST_TEST((answer.error().code == ec::timeout));
  release(running->id, 100);
  BOOST_TEST(receive<grant_pointer>(pending).value()->id == patient->id);
}

BOOST_AUTO_TEST_CASE(each_deadline_counts_whatever_the_order_of_arrival) {
  BOOST_REQUIRE(lease(need("a", 100)));
  auto later = line_up(need("b", 100, 0, 5s));
  auto sooner = line_up(need("b", 100, 0, 1s));
  pass(1s);
  BOOST_TEST((receive<grant_pointer>(sooner).error().code == ec::timeout));
  pass(4s);
  BOOST_TEST((receive<grant_pointer>(later).error().code == ec::timeout));
}

BOOST_AUTO_TEST_CASE(a_request_after_its_deadline_is_a_timeout) {
  auto x = need("a", 100);
  x->deadline = system.clock().now();
  BOOST_TEST((lease(x).error().code == ec::timeout));
}

BOOST_AUTO_TEST_CASE(a_waiting_request_can_be_taken_back) {
  auto running = need("a", 100);
  BOOST_REQUIRE(lease(running));
  auto unwanted = need("b", 950);
  auto pending = line_up(unwanted);
  auto next = need("a", 100);
  auto pending_next = line_up(next);
  self->send(uut, cancel_atom_v, unwanted->id);
  run();
  BOOST_TEST((receive<grant_pointer>(pending).error().code == ec::cancelled));
  release(running->id, 100);
  BOOST_TEST(receive<grant_pointer>(pending_next).value()->id == next->id);
}

BOOST_AUTO_TEST_CASE(room_is_made_by_unloading_the_least_recently_used) {
  have("old", 400);
  have("new", 400);
  auto x = need("third", 500);
  BOOST_REQUIRE(lease(x));
  BOOST_TEST(desk->unloads == std::vector<std::string>{"old@1"}, boost::test_tools::per_element());
  BOOST_TEST(row().used_bytes == 900u);
}

BOOST_AUTO_TEST_CASE(a_lease_waits_until_the_unloaded_bytes_are_back) {
  have("old", 800);
  desk->hold_unloads = true;
  auto x = need("new", 800);
  auto pending = line_up(x);
  BOOST_REQUIRE_EQUAL(desk->held_unloads.size(), 1u);
  BOOST_TEST(row().used_bytes == 800u);
  desk->held_unloads.front().deliver(uint64_t{800});
  run();
  BOOST_TEST(receive<grant_pointer>(pending).value()->id == x->id);
}

BOOST_AUTO_TEST_CASE(a_model_under_a_lease_is_not_unloaded_for_another) {
  auto running = need("a", 800);
  BOOST_REQUIRE(lease(running));
  auto x = need("b", 800);
  auto pending = line_up(x);
  BOOST_TEST(desk->unloads.empty());
  release(running->id, 800);
  BOOST_TEST(desk->unloads.size() == 1u);
  BOOST_TEST(receive<grant_pointer>(pending).value()->id == x->id);
}

BOOST_AUTO_TEST_CASE(a_failed_load_leaves_nothing_in_the_ledger) {
  auto x = need("a", 300, 100);
  BOOST_REQUIRE(lease(x));
  release(x->id, 0);
  BOOST_TEST(row().used_bytes == 0u);
  BOOST_TEST(row().loaded.empty());
}

BOOST_AUTO_TEST_CASE(the_ledger_tells_what_is_loaded_with_its_measured_size) {
  auto x = need("a", 300);
  BOOST_REQUIRE(lease(x));
  BOOST_TEST(row().loaded.empty()); // not yet
  release(x->id, 310);
  BOOST_REQUIRE_EQUAL(row().loaded.size(), 1u);
  BOOST_TEST((row().loaded.front() == loaded_row{"a", model_kind::vae, "cpu", 310}));
  BOOST_TEST(row().budget_bytes == 1000u);
  BOOST_TEST(row().total_bytes == 2000u);
}

BOOST_AUTO_TEST_CASE(the_death_of_a_holder_ends_its_lease_and_its_place_in_line) {
  auto holder = system.spawn(bystander, uut);
  self->send(holder, need("a", 500));
  self->send(holder, need("b", 500)); // stands in line
  run();
  auto x = need("c", 400);
  auto pending = line_up(x);
  self->send_exit(holder, caf::exit_reason::kill);
  run();
  BOOST_TEST(receive<grant_pointer>(pending).value()->id == x->id);
}

BOOST_AUTO_TEST_CASE(unloading_reports_measured_bytes) {
  have("a", 300);
  desk->unloaded_bytes = 290;
  auto report = unload().value();
  BOOST_REQUIRE_EQUAL(report.unloaded.size(), 1u);
  BOOST_TEST((report.unloaded.front() == loaded_row{"a", model_kind::vae, "cpu", 290}));
  BOOST_TEST(report.freed_bytes.at("cpu") == 290u);
  BOOST_TEST(report.kept.empty());
  BOOST_TEST(row().used_bytes == 0u);
}

BOOST_AUTO_TEST_CASE(unloading_keeps_what_is_leased_and_says_so) {
  have("idle", 100);
  BOOST_REQUIRE(lease(need("busy", 100)));
  auto report = unload().value();
  BOOST_REQUIRE_EQUAL(report.kept.size(), 1u);
  BOOST_TEST(report.kept.front().model == "busy");
  BOOST_TEST(!report.kept.front().reason.empty());
  BOOST_REQUIRE_EQUAL(report.unloaded.size(), 1u);
  BOOST_TEST(report.unloaded.front().model == "idle");
}

BOOST_AUTO_TEST_CASE(unloading_can_be_limited_to_kinds_and_names) {
  have("a", 100);
  have("b", 100);
  BOOST_TEST(unload({model_kind::text}).value().unloaded.empty());
  BOOST_TEST(unload({}, {"c"}).value().unloaded.empty());
  BOOST_TEST(unload({model_kind::vae}, {"vae:b"}).value().unloaded.front().model == "b");
  BOOST_TEST(row().loaded.size() == 1u);
}

BOOST_AUTO_TEST_CASE(unloading_does_not_wait_for_long_work) {
  have("a", 100);
  desk->hold_unloads = true;
  auto pending =
    self->request(uut, 3600s, unload_atom_v, std::vector<model_kind>{}, std::vector<std::string>{});
  run();
  pass(options.unload_wait);
  auto report = receive<unload_report>(pending).value();
  BOOST_TEST(report.unloaded.empty());
  BOOST_REQUIRE_EQUAL(report.kept.size(), 1u);
  BOOST_TEST(report.kept.front().model == "a");
  desk->held_unloads.front().deliver(uint64_t{100});
  run();
  BOOST_TEST(row().used_bytes == 0u);
}

BOOST_AUTO_TEST_CASE(the_attention_mode_is_in_force_at_once_also_under_a_lease) {
  auto grant = lease(need("a", 100)).value();
  BOOST_TEST(ask<bool>(uut, attention_atom_v, attention_mode::split).value());
  BOOST_TEST((grant->attention->load() == attention_mode::split));
  auto refused = ask<bool>(uut, attention_atom_v, attention_mode::flash);
  BOOST_REQUIRE(!refused);
  BOOST_TEST((refused.error().code == ec::bad_request));
  BOOST_TEST((grant->attention->load() == attention_mode::split));
}

BOOST_AUTO_TEST_CASE(a_dead_worker_takes_its_models_along_and_comes_back_after_a_pause) {
  have("a", 500);
  auto first = desk->worker;
  crash();
  BOOST_TEST(row().used_bytes == 0u);
  auto x = need("a", 500);
  auto pending = line_up(x);
  BOOST_TEST(desk->started == 1);
  pass(options.restarts.first_delay);
  BOOST_TEST(desk->started == 2);
  auto grant = receive<grant_pointer>(pending).value();
  BOOST_TEST((grant->worker == desk->worker));
  BOOST_TEST((grant->worker != first));
}

BOOST_AUTO_TEST_CASE(a_late_release_of_the_dead_workers_lease_changes_nothing) {
  auto x = need("a", 500);
  BOOST_REQUIRE(lease(x));
  crash();
  release(x->id, 500);
  BOOST_TEST(row().used_bytes == 0u);
}

BOOST_AUTO_TEST_CASE(after_too_many_deaths_everything_is_unavailable_until_the_period_has_passed) {
  for (uint32_t i = 0; i < options.restarts.intensity; ++i) {
    crash();
    pass(options.restarts.longest_delay);
  }
  auto pending = line_up(need("a", 1));
  crash(); // under the lease
  BOOST_REQUIRE(receive<grant_pointer>(pending));
  auto refused = lease(need("a", 1));
  BOOST_REQUIRE(!refused);
  BOOST_TEST((refused.error().code == ec::unavailable));
  BOOST_TEST(refused.error().retry_after_ms == options.restarts.period.count());
  auto started = desk->started;
  pass(options.restarts.period - 1ms);
  BOOST_TEST(desk->started == started);
  BOOST_TEST((lease(need("a", 1)).error().code == ec::unavailable));
  pass(1ms);
  BOOST_TEST(desk->started == started + 1);
  BOOST_TEST(static_cast<bool>(lease(need("a", 1))));
}

BOOST_AUTO_TEST_CASE(giving_up_answers_those_who_wait) {
  options.restarts.intensity = 0;
  start();
  BOOST_REQUIRE(lease(need("a", 1)));
  auto pending = line_up(need("a", 1));
  crash();
  BOOST_TEST((receive<grant_pointer>(pending).error().code == ec::unavailable));
}

BOOST_AUTO_TEST_CASE(a_death_during_an_unload_is_told) {
  have("a", 100);
  desk->hold_unloads = true;
  auto pending =
    self->request(uut, 3600s, unload_atom_v, std::vector<model_kind>{}, std::vector<std::string>{});
  run();
  crash();
  auto report = receive<unload_report>(pending).value();
  BOOST_TEST(report.unloaded.empty());
  BOOST_TEST(report.kept.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_worker_that_cannot_be_started_counts_as_dead) {
  options.make_worker = [this, started = 0](caf::actor_system& system) mutable -> worker_actor {
    if (++started == 1)
      throw std::runtime_error("no thread left");
    return desk->worker = system.spawn(fake_worker, desk);
  };
  start();
  auto pending = line_up(need("a", 1));
  pass(options.restarts.first_delay);
  BOOST_TEST(static_cast<bool>(receive<grant_pointer>(pending)));
}

BOOST_AUTO_TEST_CASE(the_worker_goes_with_its_manager) {
  auto worker = desk->worker;
  self->monitor(worker);
  end(uut);
  auto gone = false;
  self->receive([&](const caf::down_msg& x) { gone = x.source == worker.address(); },
                caf::after(0s) >> [] {});
  BOOST_TEST(gone);
}

BOOST_AUTO_TEST_SUITE_END()
