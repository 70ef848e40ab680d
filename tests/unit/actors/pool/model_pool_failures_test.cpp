#include "pool_fixture.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(model_pool_failures_test, pool_fixture)

// -- failures around it

BOOST_AUTO_TEST_CASE(a_crash_of_the_worker_fails_what_ran_and_the_rest_goes_on) {
  auto id = submit(decode());
  auto next = submit(decode("b"));
  auto jobs = std::exchange(worker->jobs, {});
  self->send_exit(worker->worker, caf::exit_reason::kill);
  run();
  auto x = answer(id);
  BOOST_TEST((x.error().code == ec::unavailable));
  BOOST_TEST(x.error().retry_after_ms > 0u);
  pass(1s); // the worker starts again
  BOOST_TEST((running() == batches{{next}}));
  finish();
  BOOST_TEST(static_cast<bool>(answer(next)));
}

BOOST_AUTO_TEST_CASE(without_its_device_a_pool_answers_unavailable_and_ends) {
  auto running_task = submit(decode());
  auto queued = submit(decode());
  self->monitor(uut);
  end(device);
  for (auto id : {running_task, queued})
    BOOST_TEST((code(id) == ec::unavailable));
  auto ended = false;
  self->receive([&](const caf::down_msg& x) { ended = x.source == uut.address(); },
                caf::after(0s) >> [] {});
  BOOST_TEST(ended);
}

BOOST_AUTO_TEST_CASE(without_its_catalog_a_pool_ends) {
  catalog_of->hold = true;
  auto id = submit(decode());
  end(catalog);
  BOOST_TEST((code(id) == ec::unavailable));
}

BOOST_AUTO_TEST_CASE(a_pool_that_is_told_to_stop_answers_its_tasks_and_stops_its_work) {
  auto id = submit(decode());
  auto stop = worker->jobs.at(0).order->items.at(0).stop;
  end(uut);
  BOOST_TEST((code(id) == ec::shutting_down));
  BOOST_TEST(stop.stop_requested());
}

BOOST_AUTO_TEST_CASE(even_a_killed_pool_stops_its_work) {
  submit(decode());
  auto stop = worker->jobs.at(0).order->items.at(0).stop;
  self->send_exit(uut, caf::exit_reason::kill);
  run();
  BOOST_TEST(stop.stop_requested());
}

BOOST_AUTO_TEST_CASE(figures_are_of_answered_tasks) {
  auto id = submit(decode());
  pass(250ms);
  finish();
  BOOST_REQUIRE(answer(id));
  BOOST_TEST(row().p50_us == 250000u);
  BOOST_TEST(row().p95_us == 250000u);
}

// -- files that are replaced

const failure replaced{ec::unavailable, "the model file was replaced; ask again", 500, {}};

BOOST_AUTO_TEST_CASE(a_file_that_is_replaced_before_it_is_loaded_is_looked_for_again) {
  auto id = submit(decode());
  auto old = worker->jobs.at(0).order->key;
  catalog_of->models["a"] = fake_model("a");
  catalog_of->models["a"]->key = "a@2";
  worker->refuse(replaced);
  run();
  BOOST_REQUIRE_EQUAL(worker->jobs.size(), 1u);
  BOOST_TEST(worker->jobs.at(0).order->key != old);
  finish();
  BOOST_TEST(static_cast<bool>(answer(id)));
}

BOOST_AUTO_TEST_CASE(a_file_that_is_replaced_twice_is_unavailable_and_may_be_asked_for_again) {
  auto id = submit(decode());
  for (auto i = 0; i < 2; ++i) {
    BOOST_REQUIRE_EQUAL(worker->jobs.size(), 1u);
    worker->refuse(replaced);
    run();
  }
  BOOST_TEST(worker->jobs.empty());
  auto x = answer(id);
  BOOST_REQUIRE(!x);
  BOOST_TEST((x.error().code == ec::unavailable));
  BOOST_TEST(x.error().retry_after_ms == 500u);
}

BOOST_AUTO_TEST_CASE(a_prompt_is_prepared_again_for_the_new_file) {
  start_text();
  auto id = submit(tokens());
  worker->refuse(replaced);
  run();
  BOOST_REQUIRE_EQUAL(worker->jobs.size(), 1u);
  BOOST_TEST(worker->jobs.at(0).order->items.at(0).work->cost() == 4u);
  finish();
  BOOST_TEST(static_cast<bool>(answer(id)));
}

// -- replies that are too large

/// The failure of a task that is refused before the worker hears of it.
failure too_large(pool_fixture& x, model_task task) {
  task.header.id = next_task_id();
  auto id = x.submit(std::move(task));
  BOOST_TEST(x.worker->jobs.empty());
  auto answer = x.answer(id);
  BOOST_REQUIRE(!answer);
  BOOST_TEST((answer.error().code == ec::bad_request));
  return answer.error();
}

BOOST_AUTO_TEST_CASE(images_that_no_reply_can_hold_are_refused_before_the_work) {
  auto task = decode("a", 0, 2); // 16 x 16 x 3 floats: 3072 bytes an image
  task.tensors[0].tensor = zeros({8, 4, 2, 2});
  options.max_reply_bytes = 20000;
  start();
  auto x = too_large(*this, task);
  BOOST_TEST(x.message.find("6 images of this size would fit") != std::string::npos);
  BOOST_TEST(x.details.find("\"max_body_bytes\":20000") != std::string::npos);
  task.header.reply_type = dtype::u8;
  auto id = submit(task);
  finish();
  BOOST_TEST(static_cast<bool>(answer(id)));
  options.max_reply_bytes = 3000;
  start();
  task.header.reply_type = dtype::f32;
  BOOST_TEST(too_large(*this, task).message.find("not one image") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(latents_that_no_reply_can_hold_are_refused_before_the_work) {
  auto task = decode();
  task.header.kind = "vae_encode";
  task.tensors = {{"pixels", zeros({4, 16, 16, 3})}}; // 64 bytes of latents an image
  options.max_reply_bytes = 200;
  start();
  auto x = too_large(*this, task);
  BOOST_TEST(x.message.find("image") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(prompts_whose_encoding_no_reply_can_hold_are_refused_before_the_work) {
  options.max_reply_bytes = 1000;
  start_text();
  auto x = too_large(*this, tokens("a", 20)); // 80 tokens of 8 floats
  BOOST_TEST(x.message.find("'dtype' f16") != std::string::npos);
  auto id = submit(tokens("a", 20 / 4));
  finish();
  BOOST_TEST(static_cast<bool>(answer(id)));
}

// -- text

BOOST_AUTO_TEST_CASE(text_is_batched_by_tokens) {
  start_text();
  auto first = submit(tokens());
  auto two = submit(tokens("a", 2));
  auto other = submit(tokens("a", 2)); // eight and eight are more than twelve
  auto one = submit(tokens());
  BOOST_TEST((running() == batches{{first}}));
  finish();
  BOOST_TEST((running() == batches{{two, one}}));
  finish();
  BOOST_TEST((running() == batches{{other}}));
}

BOOST_AUTO_TEST_CASE(tokens_that_do_not_fit_the_model_are_a_mismatch) {
  start_text();
  auto task = tokens();
  token_arguments arguments{{{"l", {token_chunk(4)}}}, {}, {}};
  arguments.tokens[0].chunks[0][1].id = 100;
  task.header.arguments = caf::make_message(arguments);
  BOOST_TEST((refused(task) == ec::model_mismatch));
  BOOST_TEST(worker->jobs.empty());
}

BOOST_AUTO_TEST_CASE(tokenizing_needs_no_device) {
  options.vocabularies = LUNA_SHARE;
  start_text();
  auto& facts = catalog_of->models["a"]->facts;
  auto& tower = std::any_cast<models::clip_facts&>(facts.own)[0];
  tower.vocabulary = 49408;
  tower.positions = 77;
  occupy();
  auto task = tokens();
  task.header.kind = "clip_tokenize";
  task.header.arguments = caf::make_message(tokenize_arguments{"a cat"});
  auto x = answer(submit(task)).value();
  auto& told = x.answer.attributes.get_as<tokenize_answer>(0);
  BOOST_REQUIRE_EQUAL(told.tokens.size(), 1u);
  BOOST_TEST(told.tokens[0].chunks.at(0).at(2).id == 2368);
}

BOOST_AUTO_TEST_CASE(a_dead_tokenizer_fails_its_tasks_and_is_replaced) {
  start_text();
  auto& state = state_of<model_pool_state>(uut);
  auto pending_task = tokens();
  auto id = pending_task.header.id;
  pending.emplace(id, self->request(uut, 3600s, run_atom_v, pending_task));
  while (state.tasks.count(id) == 0 || state.tasks.at(id).phase != task_phase::preparing)
    BOOST_REQUIRE(scheduler.try_run_once());
  kill_before_its_mail(state.preparer);
  run();
  BOOST_TEST((code(id) != ec::none));
  auto again = submit(tokens());
  BOOST_TEST((running() == batches{{again}}));
}

BOOST_AUTO_TEST_SUITE_END()
