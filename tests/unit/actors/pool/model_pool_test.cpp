#include "pool_fixture.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(model_pool_test, pool_fixture)

// -- one task

BOOST_AUTO_TEST_CASE(an_idle_pool_runs_a_task_at_once) {
  auto id = submit(decode());
  BOOST_TEST((running() == batches{{id}}));
  auto& order = *worker->jobs[0].order;
  BOOST_TEST(order.model->name == "a");
  BOOST_TEST(order.working_bytes > 0u);
  BOOST_TEST((order.attention != nullptr));
  BOOST_TEST(row().running == 1u);
  finish();
  BOOST_TEST(task_of(answer(id).value()) == id);
  BOOST_TEST(row().completed == 1u);
  BOOST_TEST(row().running == 0u);
}

BOOST_AUTO_TEST_CASE(the_lease_ends_with_the_work_and_the_model_stays) {
  auto id = submit(decode());
  BOOST_TEST(ledger().used_bytes > 100u);
  finish(120);
  BOOST_REQUIRE(answer(id));
  BOOST_TEST(ledger().used_bytes == 120u);
}

BOOST_AUTO_TEST_CASE(a_failed_load_leaves_nothing) {
  auto id = submit(decode());
  worker->refuse({ec::bad_model_file, "broken", 0, {}});
  run();
  BOOST_TEST((code(id) == ec::bad_model_file));
  BOOST_TEST(ledger().used_bytes == 0u);
  BOOST_TEST(row().failed == 1u);
}

BOOST_AUTO_TEST_CASE(an_unknown_model_is_told_by_the_catalog) {
  BOOST_TEST((refused(decode("nothing")) == ec::unknown_model));
  BOOST_TEST(row().queued == 0u);
}

BOOST_AUTO_TEST_CASE(info_comes_from_the_catalog_and_needs_no_device) {
  occupy();
  auto task = decode();
  task.header.kind = "model_info";
  task.tensors.clear();
  auto told = answer(submit(task)).value().answer.attributes;
  BOOST_TEST(told.get_as<model_description>(0).family == "taesd");
  task.header.id = next_task_id();
  task.header.model.files = {"nothing"};
  BOOST_TEST((refused(task) == ec::unknown_model));
}

BOOST_AUTO_TEST_CASE(kinds_that_are_not_built_are_unsupported_in_words) {
  for (auto kind : {model_kind::vision, model_kind::vlm}) {
    options.kind = kind;
    start();
    auto task = decode();
    task.header.pool_kind = kind;
    auto x = answer(submit(task));
    BOOST_TEST((x.error().code == ec::unsupported_model));
    BOOST_TEST(x.error().message.find(to_string(kind)) != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_task_of_another_kind_of_pool_is_a_bad_request) {
  BOOST_TEST((refused(tokens()) == ec::bad_request));
  auto task = decode();
  task.header.kind = "clip_encode";
  BOOST_TEST((refused(task) == ec::bad_request));
}

BOOST_AUTO_TEST_CASE(missing_wrong_and_superfluous_tensors_are_named) {
  auto message = [&](std::vector<named_tensor> tensors, const char* kind = "vae_decode") {
    auto task = decode();
    task.header.kind = kind;
    task.tensors = std::move(tensors);
    auto x = answer(submit(std::move(task)));
    BOOST_REQUIRE(!x);
    BOOST_TEST((x.error().code == ec::bad_request));
    return x.error().message;
  };
  auto names = [](const std::string& text, const char* what) {
    return text.find(what) != std::string::npos;
  };
  BOOST_TEST(names(message({}), "'latents'"));
  BOOST_TEST(names(message({}, "vae_encode"), "'pixels'"));
  BOOST_TEST(names(message({{"latent", zeros({1, 4, 2, 2})}}), "'latent'"));
  BOOST_TEST(names(message({{"latents", zeros({1, 4, 2, 2})}, {"x", zeros({1})}}), "'x'"));
  BOOST_TEST(names(message({{"latents", zeros({4, 2})}}), "'latents'"));
  BOOST_TEST(names(message({{"latents", zeros({1, 4, 2, 2}, dtype::i32)}}), "'latents'"));
  BOOST_TEST(names(message({{"pixels", zeros({4, 4, 3})}}, "vae_encode"), "'pixels'"));
}

BOOST_AUTO_TEST_CASE(latents_of_another_model_are_a_mismatch) {
  auto task = decode();
  task.tensors = {{"latents", zeros({1, 16, 2, 2})}};
  BOOST_TEST((refused(task) == ec::model_mismatch));
}

BOOST_AUTO_TEST_CASE(bytes_are_answered_for_images_only) {
  auto task = decode();
  task.header.reply_type = dtype::u8;
  submit(task);
  auto reply = worker->jobs.at(0).order->items[0].work->reply_shapes();
  BOOST_TEST((reply.at(0).type == dtype::u8));
  task = decode();
  task.header.kind = "vae_encode";
  task.header.reply_type = dtype::u8;
  BOOST_TEST((refused(task) == ec::bad_request));
  task = decode();
  task.header.reply_type = dtype::i64;
  BOOST_TEST((refused(task) == ec::bad_request));
}

BOOST_AUTO_TEST_CASE(what_can_never_fit_the_device_is_out_of_memory) {
  catalog_of->models["a"]->facts.weight_bytes = plenty;
  BOOST_TEST((refused(decode()) == ec::out_of_memory));
}

BOOST_AUTO_TEST_CASE(an_image_that_is_too_big_whole_is_decoded_in_tiles) {
  auto& facts = catalog_of->models["a"]->facts;
  facts.own = models::taesd_facts{64, 4, 1};
  facts.weight_bytes = plenty / 2;
  auto task = decode("a", 0, 256); // 2048 x 2048 pixels: more than 2 GiB in the net at once
  auto net = models::net_working_bytes(facts, models::vae_direction::decode, 256, 256);
  BOOST_REQUIRE_GT(net, plenty / 2);
  submit(task);
  BOOST_REQUIRE_EQUAL(worker->jobs.size(), 1u);
  // What is left for the net makes the model cut the image by itself.
  BOOST_TEST(worker->jobs[0].order->working_bytes < net);
  BOOST_TEST(worker->jobs[0].order->working_bytes > plenty / 4);
  finish(facts.weight_bytes);
  task = decode("a", 0, 256);
  task.header.arguments = caf::make_message(vae_tiling{tiling_mode::off});
  BOOST_TEST((refused(task) == ec::out_of_memory));
}

BOOST_AUTO_TEST_CASE(arguments_of_a_task_reach_the_worker) {
  auto task = decode("a", 0, 512);
  task.header.wants_progress = true;
  task.listener = system.spawn(
    []() -> progress_actor::behavior_type { return {[](progress_atom, const task_progress&) {}}; });
  task.header.arguments =
    caf::make_message(vae_tiling{tiling_mode::on, tiling_method::comfyui, 32, 16, 4});
  submit(task);
  auto& item = worker->jobs.at(0).order->items.at(0);
  BOOST_TEST((item.listener == task.listener));
  auto* work = item.work.get();
  auto needs = work->needs({&work, 1});
  BOOST_TEST(needs.working < models::net_working_bytes(catalog_of->models["a"]->facts,
                                                       models::vae_direction::decode, 512, 512));
  end(task.listener);
}

BOOST_AUTO_TEST_CASE(arguments_of_another_kind_of_work_are_refused) {
  auto task = decode();
  task.header.arguments = caf::make_message(tokenize_arguments{});
  BOOST_TEST((refused(task) == ec::internal));
  task = decode();
  task.header.arguments = {};
  BOOST_TEST((refused(task) == ec::internal));
}

// -- order and batches

BOOST_AUTO_TEST_CASE(what_queued_meanwhile_runs_as_one_batch_up_to_the_budget) {
  options.queue = 8;
  start();
  auto first = submit(decode());
  std::vector<uint64_t> rest;
  for (int i = 0; i < 4; ++i)
    rest.push_back(submit(decode()));
  BOOST_TEST((running() == batches{{first}}));
  BOOST_TEST(row().queued == 4u);
  finish();
  BOOST_TEST((running() == batches{{rest[0], rest[1], rest[2]}}));
  finish();
  BOOST_TEST((running() == batches{{rest[3]}}));
  finish();
  for (auto id : rest)
    BOOST_TEST(static_cast<bool>(answer(id)));
}

BOOST_AUTO_TEST_CASE(what_came_while_another_pool_had_the_device_runs_as_one_batch) {
  options.queue = 8;
  budget(8 * 16 * 16);
  start();
  auto lease = occupy();
  std::vector<uint64_t> eight;
  for (uint64_t client = 1; client <= 8; ++client)
    eight.push_back(submit(decode_of(client)));
  BOOST_TEST(row().queued == 8u);
  free_device(lease);
  BOOST_TEST((running() == batches{eight}));
}

BOOST_AUTO_TEST_CASE(what_a_batch_has_no_place_for_lets_smaller_tasks_pass) {
  options.queue = 8;
  budget(8 * 16 * 16);
  start();
  auto lease = occupy();
  std::vector<uint64_t> all;
  for (int i = 0; i < 3; ++i)
    all.push_back(submit(decode()));
  auto one = decode("a", 0, 20);
  all.push_back(submit(one)); // more than the budget of the batch
  all.push_back(submit(decode()));
  free_device(lease);
  BOOST_TEST((running() == batches{{all[0], all[1], all[2], all[4]}}));
  finish();
  BOOST_TEST((running() == batches{{all[3]}}));
}

BOOST_AUTO_TEST_CASE(a_client_with_many_tasks_delays_others_by_one_batch_at_most) {
  options.queue = 16;
  budget(2 * 16 * 16);
  start();
  std::vector<uint64_t> many;
  for (int i = 0; i < 9; ++i)
    many.push_back(submit(decode_of(1))); // the first one runs
  auto other = submit(decode_of(2));
  BOOST_TEST((running() == batches{{many[0]}}));
  finish();
  BOOST_TEST((running() == batches{{many[1], other}}));
  finish();
  BOOST_TEST((running() == batches{{many[2], many[3]}}));
}

BOOST_AUTO_TEST_CASE(when_the_task_that_asked_for_the_device_ends_the_next_one_asks) {
  auto lease = occupy();
  auto first = submit(decode("a"));
  auto second = submit(decode("b"));
  cancel(first);
  BOOST_TEST((code(first) == ec::cancelled));
  free_device(lease);
  BOOST_TEST((running() == batches{{second}}));
  BOOST_TEST(worker->jobs[0].order->model->name == "b");
}

BOOST_AUTO_TEST_CASE(a_batch_is_of_one_model_and_one_direction) {
  options.queue = 8;
  start();
  submit(decode());
  auto a = submit(decode("a"));
  auto b = submit(decode("b"));
  auto task = decode("a");
  task.header.kind = "vae_encode";
  task.tensors = {{"pixels", zeros({16, 16, 3})}};
  auto encode = submit(task);
  auto a2 = submit(decode("a"));
  finish();
  BOOST_TEST((running() == batches{{a, a2}}));
  finish();
  BOOST_TEST((running() == batches{{b}}));
  finish();
  BOOST_TEST((running() == batches{{encode}}));
}

BOOST_AUTO_TEST_CASE(a_task_above_the_budget_runs_alone) {
  submit(decode());
  auto big = submit(decode("a", 0, 20));
  auto small = submit(decode());
  finish();
  BOOST_TEST((running() == batches{{big}}));
  finish();
  BOOST_TEST((running() == batches{{small}}));
}

BOOST_AUTO_TEST_CASE(higher_priorities_go_first) {
  auto lease = occupy();
  auto low = submit(decode("a", -1));
  auto normal = submit(decode("a", 0));
  auto high = submit(decode("a", 1));
  free_device(lease);
  BOOST_TEST((running() == batches{{high}}));
  finish();
  BOOST_TEST((running() == batches{{normal}}));
  finish();
  BOOST_TEST((running() == batches{{low}}));
}

BOOST_AUTO_TEST_CASE(priorities_out_of_range_are_the_nearest) {
  auto task = decode();
  task.header.priority = 100;
  auto id = submit(task);
  finish();
  BOOST_TEST(static_cast<bool>(answer(id)));
}

BOOST_AUTO_TEST_CASE(a_batch_too_big_for_the_device_is_run_one_by_one) {
  budget(uint64_t{1} << 40);
  start();
  submit(decode());
  // Whole, each fits into what the device has; beside the result of another it does not. It must
  // not be cut into tiles for that.
  auto& facts = catalog_of->models["a"]->facts;
  facts.output_channels = 4;
  facts.own = models::taesd_facts{13, 4, 1};
  auto one = submit(decode("a", 0, 600));
  auto two = submit(decode("a", 0, 600));
  finish();
  BOOST_TEST((running() == batches{{one}}));
  auto net = models::net_working_bytes(facts, models::vae_direction::decode, 600, 600);
  BOOST_TEST(worker->jobs[0].order->working_bytes >= net);
  finish();
  BOOST_TEST((running() == batches{{two}}));
}

BOOST_AUTO_TEST_CASE(a_batch_that_ran_out_of_memory_is_run_one_by_one) {
  submit(decode());
  auto one = submit(decode());
  auto two = submit(decode());
  finish();
  BOOST_REQUIRE((running() == batches{{one, two}}));
  worker->refuse({ec::out_of_memory, "too much", 0, {}}, 100);
  run();
  BOOST_TEST((running() == batches{{one}}));
  finish();
  BOOST_TEST(static_cast<bool>(answer(one)));
  finish();
  BOOST_TEST(static_cast<bool>(answer(two)));
}

BOOST_AUTO_TEST_CASE(a_task_that_ran_out_of_memory_is_run_again_without_the_models_of_others) {
  submit(decode("b"));
  finish(); // stays on the device, unused
  auto id = submit(decode());
  auto& first = *worker->jobs.at(0).order;
  BOOST_TEST(!first.last_try);
  BOOST_TEST(first.items.at(0).warnings.empty());
  worker->refuse({ec::out_of_memory, "too much", 0, {}}, 100);
  run();
  BOOST_TEST((worker->unloads == std::vector<std::string>{catalog_of->models["b"]->key + "exact"}));
  BOOST_REQUIRE((running() == batches{{id}}));
  auto& second = *worker->jobs.at(0).order;
  BOOST_TEST(second.last_try);
  BOOST_REQUIRE_EQUAL(second.items.at(0).warnings.size(), 1u);
  BOOST_TEST(second.items.at(0).warnings[0].code == "evicted");
  BOOST_TEST(second.items.at(0).warnings[0].message.find("unloaded") != std::string::npos);
  worker->refuse({ec::out_of_memory, "too much", 0, {}}, 100);
  run();
  BOOST_TEST((code(id) == ec::out_of_memory)); // once is enough
  BOOST_TEST(worker->jobs.empty());
}

BOOST_AUTO_TEST_CASE(a_task_that_ends_while_room_is_made_for_it_holds_nobody_up) {
  submit(decode("b"));
  finish();
  auto id = submit(decode());
  worker->hold_unloads = true;
  worker->refuse({ec::out_of_memory, "too much", 0, {}}, 100);
  run();
  BOOST_TEST(worker->jobs.empty());
  cancel(id);
  BOOST_TEST((code(id) == ec::cancelled));
  auto next = submit(decode());
  worker->held_unloads.at(0).deliver(uint64_t{77});
  run();
  BOOST_TEST((running() == batches{{next}}));
}

// -- bounds

BOOST_AUTO_TEST_CASE(a_full_queue_is_overloaded_with_a_hint_of_the_pools_pace) {
  submit(decode()); // runs
  pass(2s);
  finish();
  std::vector<uint64_t> ids{submit(decode("b"))};
  for (uint32_t i = 0; i < options.queue; ++i)
    ids.push_back(submit(decode("a")));
  auto x = answer(submit(decode()));
  BOOST_TEST((x.error().code == ec::overloaded));
  BOOST_TEST(x.error().retry_after_ms == 4000u); // half of four tasks of two seconds
  BOOST_TEST(row().queued == options.queue);
  finish();
  finish();
  finish();
  for (auto id : ids)
    BOOST_TEST(static_cast<bool>(answer(id)));
}

BOOST_AUTO_TEST_CASE(tasks_whose_model_is_looked_for_count_as_waiting) {
  catalog_of->hold = true;
  for (uint32_t i = 0; i < options.queue; ++i)
    submit(decode());
  BOOST_TEST((refused(decode()) == ec::overloaded));
}

BOOST_AUTO_TEST_CASE(a_task_id_in_use_is_refused_and_the_first_one_goes_on) {
  auto task = decode();
  auto id = submit(task);
  auto second = self->request(uut, 3600s, run_atom_v, task);
  run();
  BOOST_TEST((receive<model_result>(second).error().code == ec::internal));
  finish();
  BOOST_TEST(static_cast<bool>(answer(id)));
}

BOOST_AUTO_TEST_SUITE_END()
