#include <limits>

#include "actors/pool/task_preparer.hpp"
#include "fakes.hpp"
#include "fixture.hpp"

using namespace luna;
using namespace luna::testing;

namespace {

using prepared_pointer = std::shared_ptr<models::prepared_work>;

struct fixture : actor_fixture {
  preparer_actor uut = system.spawn(task_preparer, preparer_options{LUNA_SHARE, {}});
  std::shared_ptr<resolved_model> model = fake_model("tiny", model_kind::text);
  model_task task;
  std::stop_source stop;

  fixture() {
    task.header.kind = "clip_encode_from_tokens";
    task.header.arguments =
      caf::make_message(token_arguments{{{"l", {token_chunk(4), token_chunk(4)}}}, {}, {}});
  }

  result<prepared_pointer> prepare() {
    auto order = std::make_shared<const prepare_order>(
      prepare_order{find_kind(work_kinds(), task.header.kind),
                    std::make_shared<const model_task>(task), model, stop.get_token()});
    return ask<prepared_pointer>(uut, run_atom_v, order);
  }

  ~fixture() { end(uut); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(task_preparer_test, fixture)

BOOST_AUTO_TEST_CASE(given_tokens_become_work) {
  auto x = prepare().value();
  BOOST_REQUIRE(x->todo);
  BOOST_TEST(x->todo->cost() == 8u);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_the_model_is_told) {
  task.header.arguments = caf::make_message(token_arguments{{{"l", {token_chunk(3)}}}, {}, {}});
  BOOST_TEST((prepare().error().code == ec::model_mismatch));
}

BOOST_AUTO_TEST_CASE(a_stopped_task_is_not_prepared) {
  stop.request_stop();
  BOOST_TEST((prepare().error().code == ec::cancelled));
}

BOOST_AUTO_TEST_CASE(tokenize_is_answered_without_work) {
  auto& tower = std::any_cast<models::clip_facts&>(model->facts.own)[0];
  tower.vocabulary = 49408;
  tower.positions = 77;
  task.header.kind = "clip_tokenize";
  task.header.arguments = caf::make_message(tokenize_arguments{"a embedding:nowhere"});
  auto x = prepare().value();
  BOOST_TEST(!x->todo);
  BOOST_TEST(std::any_cast<tokenize_answer>(x->answer.attributes).tokens.at(0).key == "l");
  BOOST_TEST(x->answer.warnings.at(0).code == "embedding");
}

BOOST_AUTO_TEST_SUITE_END()
