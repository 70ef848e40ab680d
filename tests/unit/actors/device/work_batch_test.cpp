#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>

#include <functional>
#include <utility>

#include "actors/device/work_batch.hpp"
#include "fakes.hpp"

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

namespace {

/// Counts the steps of a batch, one a work.
struct toy_model : models::loaded_model {
  toy_model() : models::loaded_model({}) {}
  uint64_t weight_bytes() const noexcept override { return 100; }

  std::function<void()> before_step = [] {};
  std::vector<int> ran; ///< numbers of works, as they came
  bool last_try = false;
};

/// Answers its number, and a warning.
class toy_work : public models::work {
public:
  explicit toy_work(int number) : number_(number) {}

  uint64_t cost() const override { return 1; }
  std::vector<tensor_shape> reply_shapes() const override { return {}; }
  bool joins(const work&) const override { return true; }
  models::work_needs needs(std::span<const work* const>) const override { return {}; }

  std::vector<result<models::work_answer>> run(std::span<const work* const> batch,
                                               models::loaded_model& model,
                                               const models::run_context& context) const override {
    auto& toy = dynamic_cast<toy_model&>(model);
    toy.last_try = context.last_try;
    std::vector<result<models::work_answer>> answers;
    for (auto* x : batch) {
      auto number = static_cast<const toy_work*>(x)->number_;
      toy.ran.push_back(number);
      toy.before_step();
      context.report("encode", answers.size() + 1, batch.size());
      if (context.stopped())
        answers.push_back(models::cancelled());
      else if (number < 0)
        answers.push_back(fail(ec::out_of_memory, "too much"));
      else
        answers.push_back(models::work_answer{{}, {{"toy", "ran", 0}}, number});
    }
    return answers;
  }

private:
  int number_;
};

struct fixture {
  work_order order;
  std::vector<std::stop_source> stops;
  std::vector<task_progress> heard;
  std::chrono::steady_clock::time_point now{1h};
  toy_model model;
  std::unique_ptr<work_batch> uut;
  caf::actor_system_config config;
  caf::actor_system system{config};
  progress_actor listener = system.spawn(
    []() -> progress_actor::behavior_type { return {[](progress_atom, const task_progress&) {}}; });

  /// Adds an item; its id is its number from 1.
  work_item& item(int number = 1) {
    auto& stop = stops.emplace_back();
    work_item x;
    x.task = order.items.size() + 1;
    x.stop = stop.get_token();
    x.work = std::make_shared<toy_work>(number);
    order.items.push_back(std::move(x));
    return order.items.back();
  }

  work_batch& make() {
    uut = std::make_unique<work_batch>(
      order, [this](const work_item&, task_progress x) { heard.push_back(std::move(x)); },
      [this] { return now; });
    return *uut;
  }

  std::vector<result<models::work_answer>> answers() {
    make().run(model);
    return uut->take_answers();
  }

  ~fixture() { caf::anon_send_exit(listener, caf::exit_reason::kill); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(work_batch_test, fixture)

BOOST_AUTO_TEST_CASE(all_items_run_in_one_call_in_order) {
  item(3);
  item(1);
  order.last_try = true;
  auto got = answers();
  BOOST_TEST(model.ran == (std::vector<int>{3, 1}), boost::test_tools::per_element());
  BOOST_TEST(model.last_try);
  BOOST_REQUIRE_EQUAL(got.size(), 2u);
  BOOST_TEST(std::any_cast<int>(got[0].value().attributes) == 3);
  BOOST_TEST(std::any_cast<int>(got[1].value().attributes) == 1);
}

BOOST_AUTO_TEST_CASE(warnings_of_before_the_work_come_first) {
  item().warnings = {{"evicted", "made room", 0}};
  auto got = answers();
  auto& warnings = got[0].value().warnings;
  BOOST_REQUIRE_EQUAL(warnings.size(), 2u);
  BOOST_TEST(warnings[0].code == "evicted");
  BOOST_TEST(warnings[1].code == "toy");
}

BOOST_AUTO_TEST_CASE(one_failed_item_fails_alone) {
  item();
  item(-1);
  item();
  auto got = answers();
  BOOST_TEST(static_cast<bool>(got[0]));
  BOOST_TEST((got[1].error().code == ec::out_of_memory));
  BOOST_TEST(static_cast<bool>(got[2]));
}

BOOST_AUTO_TEST_CASE(an_item_that_was_stopped_before_does_not_run) {
  item();
  item();
  stops[0].request_stop();
  auto got = answers();
  BOOST_TEST((got[0].error().code == ec::cancelled));
  BOOST_TEST(static_cast<bool>(got[1]));
  BOOST_TEST(model.ran.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_batch_that_nobody_wants_says_so) {
  item();
  item();
  make();
  BOOST_TEST(uut->wanted());
  stops[1].request_stop();
  BOOST_TEST(uut->wanted());
  stops[0].request_stop();
  BOOST_TEST(!uut->wanted());
}

BOOST_AUTO_TEST_CASE(running_work_stops_once_all_of_its_items_are_stopped) {
  item();
  item();
  item();
  model.before_step = [this, n = 0u]() mutable {
    if (n < 2)
      stops[n++].request_stop();
    else
      stops[2].request_stop();
  };
  auto got = answers();
  BOOST_TEST(static_cast<bool>(got[0])); // the others still wanted the run
  BOOST_TEST(static_cast<bool>(got[1]));
  BOOST_TEST((got[2].error().code == ec::cancelled));
}

BOOST_AUTO_TEST_CASE(progress_goes_to_listeners_at_most_ten_times_a_second) {
  for (int i = 0; i < 6; ++i)
    item();
  order.items[0].listener = listener;
  model.before_step = [this] { now += 40ms; };
  answers();
  BOOST_REQUIRE_EQUAL(heard.size(), 2u); // at 40 and 160 of 240 ms
  BOOST_TEST(heard[0].id == 1u);
  BOOST_TEST(heard[0].stage == "encode");
  BOOST_TEST(heard[0].value == 1u);
  BOOST_TEST(heard[1].value == 4u);
  BOOST_TEST(heard[1].max == 6u);
}

BOOST_AUTO_TEST_CASE(a_stopped_item_hears_no_more_progress) {
  item().listener = listener;
  item();
  model.before_step = [this] { stops[0].request_stop(); };
  answers();
  BOOST_TEST(heard.empty());
}

BOOST_AUTO_TEST_CASE(every_item_is_answered_even_if_nothing_ran) {
  item();
  make();
  auto got = uut->take_answers();
  BOOST_REQUIRE_EQUAL(got.size(), 1u);
  BOOST_TEST((got[0].error().code == ec::internal));
}

BOOST_AUTO_TEST_SUITE_END()
