// A family of text encoders and a kind of work that luna does not have, in this file alone: from
// the file on the disk through catalog, pool, lease, batch and worker to the answer.
#include <caf/allowed_unsafe_message_type.hpp>

#include <cstring>

#include "actors/catalog/model_catalog.hpp"
#include "actors/device/device_manager.hpp"
#include "actors/device/model_worker.hpp"
#include "actors/pool/model_pool.hpp"
#include "base/safetensors.hpp"
#include "fixture.hpp"
#include "models/family.hpp"
#include "temporary_folder.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

namespace {

// -- the family: one table of numbers by letter, read from the file

struct toy_facts {
  int64_t letters = 0;
};

class toy_encoder : public models::loaded_model {
public:
  toy_encoder(models::model_facts facts, std::vector<float> table)
    : models::loaded_model(std::move(facts)), table_(std::move(table)) {}

  uint64_t weight_bytes() const noexcept override { return table_.size() * sizeof(float); }

  float operator()(char letter) const { return table_.at(static_cast<size_t>(letter - 'a')); }

private:
  std::vector<float> table_;
};

result<models::model_facts> describe_toy(std::span<const models::checkpoint> files,
                                         std::string_view) {
  models::model_facts facts;
  facts.family = "toy";
  facts.own = toy_facts{files.front().find("toy.letters")->shape.at(0)};
  facts.weight_bytes = 4 * static_cast<uint64_t>(std::any_cast<toy_facts>(facts.own).letters);
  return facts;
}

result<std::unique_ptr<models::loaded_model>> load_toy(std::span<const models::model_file>,
                                                       const models::model_facts& facts,
                                                       const models::load_options&,
                                                       const models::run_context&) {
  std::vector<float> table;
  for (int64_t i = 0; i < std::any_cast<toy_facts>(facts.own).letters; ++i)
    table.push_back(static_cast<float>(i + 1));
  return std::make_unique<toy_encoder>(facts, std::move(table));
}

const models::family toy{.describe = describe_toy, .load = load_toy};

const models::known_family families[] = {
  {model_kind::text, "a toy", [](const models::checkpoint& f) { return f.has("toy.letters"); },
   &toy},
};

// -- the kind of work: a word becomes the sum of its letters

struct sum_arguments {
  std::string word;
};

struct sum_answer {
  size_t words = 0; ///< that were summed together
};

class sum_work : public models::work {
public:
  explicit sum_work(std::string word) : word_(std::move(word)) {}

  uint64_t cost() const override { return word_.size(); }
  std::vector<tensor_shape> reply_shapes() const override { return {{"sum", dtype::f32, {1}}}; }
  bool joins(const work& other) const override {
    return dynamic_cast<const sum_work*>(&other) != nullptr;
  }
  models::work_needs needs(std::span<const work* const> batch) const override {
    return {batch.size() * 16, 0, 0};
  }

  std::vector<result<models::work_answer>> run(std::span<const work* const> batch,
                                               models::loaded_model& model,
                                               const models::run_context&) const override {
    auto& letters = dynamic_cast<toy_encoder&>(model);
    std::vector<result<models::work_answer>> answers;
    for (auto* x : batch) {
      float sum = 0;
      for (auto letter : static_cast<const sum_work*>(x)->word_)
        sum += letters(letter);
      auto bytes = std::as_bytes(std::span{&sum, 1});
      models::work_answer answer;
      answer.tensors.push_back({"sum", tensor_block::copy_of(dtype::f32, {1}, bytes)});
      answer.attributes = sum_answer{batch.size()};
      answers.push_back(std::move(answer));
    }
    return answers;
  }

private:
  std::string word_;
};

result<models::prepared_work> prepare_sum(const sum_arguments& arguments,
                                          const models::preparation& request) {
  auto letters = std::any_cast<toy_facts>(request.facts->own).letters;
  for (auto letter : arguments.word)
    if (letter < 'a' || letter >= 'a' + letters)
      return fail(ec::bad_request, "'" + std::string{letter} + "' is no letter of this model");
  return models::prepared_work{std::make_shared<sum_work>(arguments.word), {}};
}

} // namespace

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sum_arguments)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sum_answer)

namespace {

const work_kind kinds[] = {
  {.name = "sum_letters",
   .pool = model_kind::text,
   .batch_cost = 100,
   .prepare = prepare_with<sum_arguments, prepare_sum>,
   .attributes = tell<sum_answer>},
};

struct fixture : actor_fixture {
  temporary_folder folder;
  catalog_actor catalog;
  device_actor device;
  model_pool_actor uut;

  using pending_answer = decltype(self->request(uut, 3600s, run_atom_v, model_task{}));

  fixture() {
    std::vector<float> values(4);
    auto block = tensor_block::copy_of(dtype::f32, {4}, std::as_bytes(std::span{values}));
    std::vector<named_tensor> tensors{{"toy.letters", block}};
    folder.write("text_encoders/toy.safetensors", write_safetensors(tensors));
    catalog_options files;
    files.folders = {{"text_encoders", {(folder.path() / "text_encoders").string()}}};
    files.families = families;
    catalog = system.spawn(model_catalog, files, thread_policy::scheduled);
    device_options options;
    options.total_bytes = options.budget_bytes = 1 << 20;
    options.make_worker = [](caf::actor_system& system) -> worker_actor {
      return system.spawn(model_worker, worker_options{"cpu", 1});
    };
    device = system.spawn(device_manager, options);
    pool_options pool;
    pool.kinds = kinds;
    uut = system.spawn(model_pool, pool, catalog, device, thread_policy::scheduled);
    run();
  }

  pending_answer ask_for(const std::string& word) {
    model_task task;
    task.header.id = next_task_id();
    task.header.kind = "sum_letters";
    task.header.model = {{"toy.safetensors"}, ""};
    task.header.arguments = caf::make_message(sum_arguments{word});
    return self->request(uut, 3600s, run_atom_v, std::move(task));
  }

  ~fixture() { end(uut, device, catalog); }
};

float sum_of(const result<model_result>& x) {
  float sum = 0;
  std::memcpy(&sum, x.value().tensors.at(0).tensor.bytes().data(), sizeof(sum));
  return sum;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(toy_family_test, fixture)

BOOST_AUTO_TEST_CASE(a_new_family_and_kind_run_without_a_change_anywhere) {
  auto one = ask_for("abba");
  auto two = ask_for("d");
  auto three = ask_for("cc");
  run();
  auto first = receive<model_result>(one);
  BOOST_TEST(sum_of(first) == 6.0F);
  BOOST_TEST(sum_of(receive<model_result>(two)) == 4.0F);
  auto last = receive<model_result>(three);
  BOOST_TEST(sum_of(last) == 6.0F);
  // All three came before the device was granted: they ran together.
  BOOST_TEST(last.value().answer.attributes.get_as<sum_answer>(0).words == 3U);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_the_family_is_told) {
  auto wrong = ask_for("abe");
  run();
  auto got = receive<model_result>(wrong);
  BOOST_TEST((got.error().code == ec::bad_request));
  BOOST_TEST(got.error().message.find("'e'") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_kind_that_the_pool_does_not_have_is_told) {
  model_task task;
  task.header.id = next_task_id();
  task.header.kind = "clip_encode";
  task.header.model = {{"toy.safetensors"}, ""};
  auto got = ask<model_result>(uut, run_atom_v, std::move(task));
  BOOST_TEST((got.error().code == ec::bad_request));
}

BOOST_AUTO_TEST_SUITE_END()
