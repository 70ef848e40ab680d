#include "pool_fixture.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(model_pool_endings_test, pool_fixture)

// -- deadlines

BOOST_AUTO_TEST_CASE(a_deadline_of_nothing_is_a_timeout) {
  auto task = decode();
  task.header.deadline_ms = 0;
  BOOST_TEST((refused(task) == ec::timeout));
}

BOOST_AUTO_TEST_CASE(a_deadline_while_the_model_is_looked_for) {
  catalog_of->hold = true;
  auto task = decode();
  task.header.deadline_ms = 1000;
  auto id = submit(task);
  pass(1s);
  BOOST_TEST((code(id) == ec::timeout));
  catalog_of->held.at(0).deliver(model_pointer{catalog_of->models["a"]});
  run();
  BOOST_TEST(worker->jobs.empty());
}

BOOST_AUTO_TEST_CASE(a_deadline_in_the_queue) {
  submit(decode());
  auto task = decode();
  task.header.deadline_ms = 1000;
  auto id = submit(task);
  auto next = submit(decode());
  pass(999ms);
  BOOST_TEST(row().queued == 2u);
  pass(1ms);
  BOOST_TEST((code(id) == ec::timeout));
  finish();
  BOOST_TEST((running() == batches{{next}}));
}

BOOST_AUTO_TEST_CASE(a_deadline_while_waiting_for_the_device) {
  auto lease = occupy();
  auto task = decode();
  task.header.deadline_ms = 1000;
  auto id = submit(task);
  pass(1s);
  BOOST_TEST((code(id) == ec::timeout));
  free_device(lease);
  BOOST_TEST(worker->jobs.empty());
  BOOST_TEST(ledger().used_bytes == 0u); // no lease was left behind
}

BOOST_AUTO_TEST_CASE(a_deadline_while_running_is_answered_at_once_and_stops_the_work) {
  auto task = decode();
  task.header.deadline_ms = 1000;
  auto id = submit(task);
  auto stop = worker->jobs.at(0).order->items.at(0).stop;
  auto next = submit(decode("b"));
  pass(1s);
  BOOST_TEST((code(id) == ec::timeout));
  BOOST_TEST(stop.stop_requested());
  BOOST_TEST(worker->jobs.size() == 1u); // its lease lasts until it has stopped
  BOOST_TEST(ledger().used_bytes > 0u);
  finish();
  BOOST_TEST((running() == batches{{next}}));
}

BOOST_AUTO_TEST_CASE(a_nearer_deadline_that_comes_later_counts_as_well) {
  auto far = decode();
  far.header.deadline_ms = 3600000;
  auto patient = submit(far);
  auto near = decode("b");
  near.header.deadline_ms = 500;
  auto hasty = submit(near);
  pass(500ms);
  BOOST_TEST((code(hasty) == ec::timeout));
  pass(1h);
  BOOST_TEST((code(patient) == ec::timeout));
}

// -- cancel, reset, drain

BOOST_AUTO_TEST_CASE(cancelling_while_the_model_is_looked_for) {
  catalog_of->hold = true;
  auto id = submit(decode());
  cancel(id);
  BOOST_TEST((code(id) == ec::cancelled));
  catalog_of->held.at(0).deliver(model_pointer{catalog_of->models["a"]});
  run();
  BOOST_TEST(worker->jobs.empty());
}

BOOST_AUTO_TEST_CASE(cancelling_in_the_queue) {
  submit(decode());
  auto id = submit(decode());
  cancel(id);
  BOOST_TEST((code(id) == ec::cancelled));
  finish();
  BOOST_TEST(worker->jobs.empty());
}

BOOST_AUTO_TEST_CASE(cancelling_while_waiting_for_the_device_gives_the_place_back) {
  auto lease = occupy();
  auto id = submit(decode());
  auto next = submit(decode("b"));
  cancel(id);
  BOOST_TEST((code(id) == ec::cancelled));
  free_device(lease);
  BOOST_TEST((running() == batches{{next}}));
}

BOOST_AUTO_TEST_CASE(cancelling_one_of_a_batch_that_waits_leaves_the_others) {
  auto first = submit(decode());
  auto one = submit(decode());
  auto two = submit(decode());
  auto other = std::make_shared<lease_request>(); // stands in line before the batch
  other->id = next_task_id();
  other->model = fake_model("other");
  other->key = other->model->key;
  other->deadline = system.clock().now() + 1h;
  auto granted = self->request(device, 3600s, lease_atom_v, other);
  run();
  finish();
  BOOST_REQUIRE(answer(first));
  BOOST_REQUIRE(receive<std::shared_ptr<lease_grant>>(granted));
  cancel(one);
  BOOST_TEST((code(one) == ec::cancelled));
  free_device(other->id);
  BOOST_TEST((running() == batches{{two}}));
}

BOOST_AUTO_TEST_CASE(a_lease_that_comes_after_the_cancel_is_given_back_unused) {
  auto id = submit(decode());
  finish();
  BOOST_REQUIRE(answer(id));
  auto lease = occupy();
  id = submit(decode());
  // The grant is on its way when the cancel arrives.
  self->send(device, release_atom_v, lease, uint64_t{0});
  self->send(uut, cancel_atom_v, id);
  run();
  BOOST_TEST((code(id) == ec::cancelled));
  BOOST_TEST(worker->jobs.empty());
  BOOST_TEST(ledger().used_bytes == 100u); // the model stayed loaded, nothing else is held
}

BOOST_AUTO_TEST_CASE(cancelling_running_work_answers_at_once_and_stops_it) {
  auto id = submit(decode());
  auto stop = worker->jobs.at(0).order->items.at(0).stop;
  cancel(id);
  BOOST_TEST((code(id) == ec::cancelled));
  BOOST_TEST(stop.stop_requested());
  BOOST_TEST(row().running == 0u);
  finish();
  BOOST_TEST(row().completed == 0u);
  BOOST_TEST(row().failed == 0u); // a cancel is nobody's failure
}

BOOST_AUTO_TEST_CASE(an_unknown_id_is_ignored) {
  cancel(123456789);
  auto id = submit(decode());
  finish();
  cancel(id);
  BOOST_TEST(static_cast<bool>(answer(id)));
}

BOOST_AUTO_TEST_CASE(a_reset_cancels_everything_and_tells_how_many) {
  auto lease = occupy();
  std::vector<uint64_t> ids;
  for (auto model : {"a", "b", "a"})
    ids.push_back(submit(decode(model)));
  BOOST_TEST(ask<uint64_t>(uut, reset_atom_v).value() == 3u);
  for (auto id : ids)
    BOOST_TEST((code(id) == ec::cancelled));
  free_device(lease);
  BOOST_TEST(worker->jobs.empty());
  BOOST_TEST(ask<uint64_t>(uut, reset_atom_v).value() == 0u);
}

BOOST_AUTO_TEST_CASE(draining_refuses_new_tasks_and_ends_when_the_last_one_has) {
  auto running_task = submit(decode());
  auto queued = submit(decode("b"));
  auto drained = self->request(uut, 3600s, drain_atom_v);
  run();
  BOOST_TEST((refused(decode()) == ec::shutting_down));
  finish();
  BOOST_TEST(static_cast<bool>(answer(running_task)));
  BOOST_TEST(!self->has_next_message());
  finish();
  BOOST_TEST(static_cast<bool>(answer(queued)));
  BOOST_TEST(receive<bool>(drained).value());
  BOOST_TEST(ask<bool>(uut, drain_atom_v).value());
}

BOOST_AUTO_TEST_CASE(a_drain_waits_for_cancelled_work_to_stop) {
  auto id = submit(decode());
  cancel(id);
  BOOST_REQUIRE((code(id) == ec::cancelled));
  auto drained = self->request(uut, 3600s, drain_atom_v);
  run();
  BOOST_TEST(!self->has_next_message());
  finish();
  BOOST_TEST(receive<bool>(drained).value());
}

BOOST_AUTO_TEST_SUITE_END()
