#pragma once

#include <deque>
#include <map>

#include "actors/catalog/catalog_actor.hpp"
#include "actors/device/device_actor.hpp"
#include "actors/pool/model_pool.hpp"
#include "fakes.hpp"
#include "fixture.hpp"
#include "models/vae/vae_job.hpp"

/// A pool with a device, a catalog and a worker that do what a test says.
namespace luna::testing {

using std::chrono_literals::operator""s;

using model_pointer = std::shared_ptr<const resolved_model>;

/// Knows the models that a test puts in; answers at once, or when it is told to.
struct catalog_desk {
  std::map<std::string, std::shared_ptr<resolved_model>> models;
  bool hold = false;
  std::vector<held_promise<model_pointer>> held;
};

inline catalog_actor::behavior_type fake_catalog(catalog_actor::pointer self,
                                                 std::shared_ptr<catalog_desk> desk) {
  return {
    [self, desk](resolve_atom, model_kind, const model_ref& ref) -> caf::result<model_pointer> {
      if (desk->hold)
        return desk->held.emplace_back(self).promise();
      auto i = desk->models.find(ref.files.at(0));
      if (i == desk->models.end())
        return make_error(ec::unknown_model, "there is no " + ref.files.at(0));
      return model_pointer{i->second};
    },
    [desk](info_atom, model_kind, const model_ref& ref) -> caf::result<model_description> {
      if (desk->models.count(ref.files.at(0)) == 0)
        return make_error(ec::unknown_model, "there is no " + ref.files.at(0));
      model_description x;
      x.family = "taesd";
      return x;
    },
    [](list_atom) { return std::make_shared<const model_listing>(); }};
}

/// A budget that a decode of one image of 16x16 pixels fits many times over.
constexpr uint64_t plenty = uint64_t{4} << 30;

struct pool_fixture : actor_fixture {
  std::shared_ptr<worker_desk> worker = std::make_shared<worker_desk>();
  std::shared_ptr<catalog_desk> catalog_of = std::make_shared<catalog_desk>();
  catalog_actor catalog = system.spawn(fake_catalog, catalog_of);
  device_actor device = system.spawn(device_manager, fake_device(worker, plenty));
  pool_options options;
  std::vector<work_kind> kinds{work_kinds().begin(), work_kinds().end()};
  model_pool_actor uut;

  using pending_answer = decltype(self->request(uut, 3600s, run_atom_v, model_task{}));
  std::map<uint64_t, pending_answer> pending;

  pool_fixture() {
    options.name = "vae";
    options.kind = model_kind::vae;
    options.queue = 4;
    budget(3 * 16 * 16);
    for (auto name : {"a", "b"})
      catalog_of->models[name] = fake_model(name);
    start();
  }

  void start() {
    if (uut)
      end(uut);
    uut = system.spawn(model_pool, options, catalog, device, thread_policy::scheduled);
    run();
  }

  /// What one batch may cost.
  void budget(uint64_t cost) {
    for (auto& kind : kinds)
      kind.batch_cost = cost;
    options.kinds = kinds;
  }

  void start_text() {
    options.kind = model_kind::text;
    budget(12);
    for (auto name : {"a", "b"})
      catalog_of->models[name] = fake_model(name, model_kind::text);
    start();
  }

  static tensor_block zeros(std::vector<int64_t> shape, dtype type = dtype::f32) {
    auto bytes =
      std::make_shared<std::vector<std::byte>>(element_count(shape).value() * size_of(type));
    return {type, std::move(shape), *bytes, bytes};
  }

  static model_task decode_of(uint64_t client) {
    auto task = decode();
    task.header.client = client;
    return task;
  }

  static model_task decode(const std::string& model = "a", int priority = 0, int64_t side = 2) {
    model_task task;
    task.header.id = next_task_id();
    task.header.kind = "vae_decode";
    task.header.arguments = caf::make_message(vae_tiling{});
    task.header.pool_kind = model_kind::vae;
    task.header.model = {{model}, ""};
    task.header.priority = static_cast<int8_t>(priority);
    task.tensors = {{"latents", zeros({1, 4, side, side})}};
    return task;
  }

  static model_task tokens(const std::string& model = "a", int chunks = 1) {
    model_task task;
    task.header.id = next_task_id();
    task.header.kind = "clip_encode_from_tokens";
    task.header.pool_kind = model_kind::text;
    task.header.model = {{model}, ""};
    token_arguments arguments;
    arguments.tokens = {{"l", std::vector<token_chunk>(static_cast<size_t>(chunks))}};
    for (auto& chunk : arguments.tokens[0].chunks)
      chunk.resize(4);
    task.header.arguments = caf::make_message(std::move(arguments));
    return task;
  }

  /// Sends a task and lets happen what can; its id.
  uint64_t submit(model_task task) {
    auto id = task.header.id;
    pending.emplace(id, self->request(uut, 3600s, run_atom_v, std::move(task)));
    run();
    return id;
  }

  /// The answer to a task that was submitted.
  result<model_result> answer(uint64_t id) {
    auto i = pending.find(id);
    BOOST_REQUIRE(i != pending.end());
    result<model_result> got = fail(ec::none, "no answer yet");
    i->second.receive([&](model_result& x) { got = std::move(x); },
                      [&](caf::error& x) { got = tl::make_unexpected(to_failure(x, "the pool")); });
    pending.erase(i);
    return got;
  }

  ec code(uint64_t id) {
    auto x = answer(id);
    return x ? ec::none : x.error().code;
  }

  /// The code that a task is answered with at once.
  ec refused(model_task task) { return code(submit(std::move(task))); }

  void cancel(uint64_t id) {
    self->send(uut, cancel_atom_v, id);
    run();
  }

  void finish(uint64_t weight_bytes = 100) {
    worker->finish(weight_bytes);
    run();
  }

  pool_row row() { return ask<pool_row>(uut, status_atom_v).value(); }
  device_row ledger() { return ask<device_row>(device, status_atom_v).value(); }

  /// The tasks that the worker has now, batch by batch.
  std::vector<std::vector<uint64_t>> running() const {
    std::vector<std::vector<uint64_t>> batches;
    for (size_t i = 0; i < worker->jobs.size(); ++i)
      batches.push_back(worker->tasks_of(i));
    return batches;
  }

  /// Takes the device, as another pool would.
  uint64_t occupy() {
    auto x = std::make_shared<lease_request>();
    x->id = next_task_id();
    x->model = fake_model("other");
    x->key = x->model->key;
    x->deadline = system.clock().now() + std::chrono::hours{1};
    BOOST_REQUIRE(ask<std::shared_ptr<lease_grant>>(device, lease_atom_v, x));
    return x->id;
  }

  void free_device(uint64_t lease) {
    self->send(device, release_atom_v, lease, uint64_t{0});
    run();
  }

  ~pool_fixture() {
    end(uut, device, catalog, worker->worker);
    worker->jobs.clear();
  }
};

using batches = std::vector<std::vector<uint64_t>>;

} // namespace luna::testing
