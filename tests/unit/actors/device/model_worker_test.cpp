#include <cstring>
#include <filesystem>

#include "actors/device/model_worker.hpp"
#include "actors/pool/work_kinds.hpp"
#include "fakes.hpp"
#include "fixture.hpp"
#include "messages/work_arguments.hpp"
#include "models/device.hpp"
#include "models/weights/inspect.hpp"
#include "temporary_folder.hpp"
#include "tiny_vae.hpp"

using namespace luna;
using namespace luna::testing;

namespace {

using report_pointer = std::shared_ptr<work_report>;

struct fixture : actor_fixture {
  temporary_folder folder;
  worker_actor uut = system.spawn(model_worker, worker_options{"cpu", 1});
  uint64_t last_task = 0;

  std::shared_ptr<const resolved_model> resolve(model_kind kind, std::filesystem::path path) {
    auto model = std::make_shared<resolved_model>();
    model->name = path.filename().string();
    model->kind = kind;
    model->files = {models::stat_model_file(path).value()};
    model->facts = models::inspect_model(kind, model->files).value();
    model->key = path.string();
    return model;
  }

  std::shared_ptr<const resolved_model> vae() {
    return resolve(model_kind::vae, folder.write("vae/tiny.safetensors", tiny_vae{}.file()));
  }

  std::shared_ptr<const resolved_model> clip() {
    return resolve(model_kind::text,
                   std::filesystem::path{LUNA_TEST_MODELS} / "clip_l.safetensors");
  }

  static std::shared_ptr<work_order> order_for(std::shared_ptr<const resolved_model> model) {
    auto order = std::make_shared<work_order>();
    order->key = model->key;
    order->model = std::move(model);
    return order;
  }

  /// Work of a model, made as a pool would.
  work_item item_of(const resolved_model& model, const char* kind, caf::message arguments,
                    std::vector<named_tensor> tensors, dtype type = dtype::f32) {
    models::preparation request;
    request.kind = kind;
    request.facts = std::make_shared<const models::model_facts>(model.facts);
    request.tensors = tensors;
    request.reply_type = type;
    work_item item;
    item.task = ++last_task;
    item.work = find_kind(work_kinds(), kind)->prepare(arguments, request).value().todo;
    return item;
  }

  /// Latents that differ by `seed`.
  work_item decode(const resolved_model& model, int seed, int64_t side = 2,
                   dtype type = dtype::f32) {
    std::vector<float> values(static_cast<size_t>(4 * side * side));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>((i * 7 + static_cast<size_t>(seed) * 13) % 11) / 5 - 1;
    auto latents =
      tensor_block::copy_of(dtype::f32, {1, 4, side, side}, std::as_bytes(std::span{values}));
    return item_of(model, "vae_decode", caf::make_message(vae_tiling{}), {{"latents", latents}},
                   type);
  }

  /// Chunks of tokens that differ by `seed`.
  work_item tokens(const resolved_model& model, int seed) {
    auto& tower = models::towers_of(model.facts)[0];
    token_chunk chunk;
    for (int i = 0; i < tower.positions; ++i)
      chunk.push_back({i == 0 ? tower.vocabulary - 2 : (i * 31 + seed * 7) % 1000,
                       i == 3 ? 1.0 + seed * 0.1 : 1.0, -1, 0, 0});
    chunk.back().id = tower.vocabulary - 1;
    return item_of(model, "clip_encode_from_tokens",
                   caf::make_message(token_arguments{{{"l", {chunk}}}, {}, {}}), {});
  }

  report_pointer execute(std::shared_ptr<work_order> order) {
    return ask<report_pointer>(uut, execute_atom_v, std::move(order)).value();
  }

  uint64_t unload(const std::string& key) { return ask<uint64_t>(uut, unload_atom_v, key).value(); }

  static uint64_t model_bytes() { return models::memory_of("cpu").value().model_bytes; }

  ~fixture() { end(uut); }
};

bool same_bytes(const models::work_answer& x, const models::work_answer& y) {
  auto equal = x.tensors.size() == y.tensors.size();
  for (size_t i = 0; equal && i < x.tensors.size(); ++i) {
    auto a = x.tensors[i].tensor.bytes();
    auto b = y.tensors[i].tensor.bytes();
    equal = x.tensors[i].name == y.tensors[i].name
         && x.tensors[i].tensor.shape() == y.tensors[i].tensor.shape()
         && std::memcmp(a.data(), b.data(), a.size()) == 0;
  }
  return equal;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(model_worker_test, fixture)

BOOST_AUTO_TEST_CASE(it_loads_the_model_and_answers_each_item) {
  auto order = order_for(vae());
  order->items = {decode(*order->model, 1), decode(*order->model, 2, 2, dtype::u8)};
  auto report = execute(order);
  BOOST_REQUIRE_EQUAL(report->answers.size(), 2u);
  auto& image = report->answers[0].value().tensors.at(0);
  BOOST_TEST(image.name == "images");
  BOOST_TEST(image.tensor.shape() == (std::vector<int64_t>{1, 16, 16, 3}),
             boost::test_tools::per_element());
  BOOST_TEST((report->answers[1].value().tensors.at(0).tensor.type() == dtype::u8));
  auto& told = report->answers[0].value().attributes;
  BOOST_TEST((std::any_cast<tiling_report>(told) == tiling_report{false, 0}));
  BOOST_TEST(report->weight_bytes > 0u);
}

BOOST_AUTO_TEST_CASE(a_loaded_model_is_used_again) {
  auto order = order_for(vae());
  order->items = {decode(*order->model, 1)};
  execute(order);
  auto before = model_bytes();
  std::filesystem::remove(order->model->files[0].path);
  auto report = execute(order);
  BOOST_TEST(static_cast<bool>(report->answers.at(0)));
  BOOST_TEST(model_bytes() == before);
}

BOOST_AUTO_TEST_CASE(images_in_a_batch_equal_images_alone_bit_for_bit) {
  auto order = order_for(vae());
  order->items = {decode(*order->model, 1), decode(*order->model, 2, 3), decode(*order->model, 3)};
  auto together = execute(order);
  for (size_t i = 0; i < order->items.size(); ++i) {
    auto single = order_for(order->model);
    single->items = {order->items[i]};
    BOOST_TEST(same_bytes(together->answers[i].value(), execute(single)->answers.at(0).value()));
  }
  BOOST_TEST(!same_bytes(together->answers[0].value(), together->answers[2].value()));
}

BOOST_AUTO_TEST_CASE(prompts_in_a_batch_equal_prompts_alone_bit_for_bit) {
  auto order = order_for(clip());
  for (int seed = 0; seed < 3; ++seed)
    order->items.push_back(tokens(*order->model, seed));
  auto together = execute(order);
  BOOST_REQUIRE_EQUAL(together->answers[0].value().tensors.size(), 2u);
  for (size_t i = 0; i < order->items.size(); ++i) {
    auto single = order_for(order->model);
    single->items = {order->items[i]};
    BOOST_TEST(same_bytes(together->answers[i].value(), execute(single)->answers.at(0).value()));
  }
  BOOST_TEST(!same_bytes(together->answers[0].value(), together->answers[1].value()));
}

BOOST_AUTO_TEST_CASE(unloading_tells_the_bytes_that_came_back) {
  auto before = model_bytes();
  auto order = order_for(vae());
  order->items = {decode(*order->model, 1)};
  auto report = execute(order);
  BOOST_TEST(model_bytes() >= before + report->weight_bytes);
  BOOST_TEST(unload(order->key) >= report->weight_bytes);
  BOOST_TEST(model_bytes() == before);
  BOOST_TEST(unload(order->key) == 0u);
  BOOST_TEST(static_cast<bool>(execute(order)->answers.at(0))); // and it loads again
}

BOOST_AUTO_TEST_CASE(a_failed_load_answers_all_items_and_leaves_nothing) {
  auto before = model_bytes();
  auto order = order_for(vae());
  order->items = {decode(*order->model, 1), decode(*order->model, 2)};
  auto path = order->model->files[0].path;
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 4);
  auto report = execute(order);
  BOOST_REQUIRE_EQUAL(report->answers.size(), 2u);
  for (auto& answer : report->answers) {
    BOOST_REQUIRE(!answer);
    BOOST_TEST((answer.error().code == ec::unavailable));
  }
  BOOST_TEST(report->weight_bytes == 0u);
  BOOST_TEST(model_bytes() == before);
}

BOOST_AUTO_TEST_CASE(work_that_nobody_wants_loads_nothing) {
  std::stop_source stop;
  stop.request_stop();
  auto order = order_for(vae());
  order->items = {decode(*order->model, 1)};
  order->items[0].stop = stop.get_token();
  auto report = execute(order);
  BOOST_TEST((report->answers.at(0).error().code == ec::cancelled));
  BOOST_TEST(report->weight_bytes == 0u);
}

BOOST_AUTO_TEST_CASE(a_kind_that_is_not_built_is_unsupported) {
  auto eye = fake_model("eye", model_kind::vision);
  eye->facts.served_by = nullptr;
  auto order = order_for(eye);
  order->items = {decode(*vae(), 1)};
  BOOST_TEST((execute(order)->answers.at(0).error().code == ec::unsupported_model));
}

BOOST_AUTO_TEST_CASE(a_precision_that_does_not_exist_is_told) {
  auto order = order_for(vae());
  order->precision = "fast";
  order->items = {decode(*order->model, 1)};
  BOOST_TEST((execute(order)->answers.at(0).error().code == ec::bad_request));
}

BOOST_AUTO_TEST_CASE(the_listener_of_a_task_hears_of_its_progress) {
  auto heard = std::make_shared<std::vector<task_progress>>();
  auto listener = system.spawn([heard]() -> progress_actor::behavior_type {
    return {[heard](progress_atom, const task_progress& x) { heard->push_back(x); }};
  });
  auto order = order_for(vae());
  order->items = {decode(*order->model, 1)};
  order->items[0].listener = listener;
  execute(order);
  run();
  BOOST_REQUIRE(!heard->empty());
  BOOST_TEST(heard->front().id == order->items[0].task);
  BOOST_TEST(heard->size() == 1u); // the clock stands still: one is all of ten a second
  end(listener);
}

BOOST_AUTO_TEST_SUITE_END()
