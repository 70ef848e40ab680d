#include <boost/test/unit_test.hpp>

#include "actors/pool/fair_queue.hpp"

using namespace luna;

namespace {

using tasks = std::vector<uint64_t>;

constexpr uint64_t ann = 1;
constexpr uint64_t bob = 2;
constexpr uint64_t eve = 3;

struct fixture {
  fair_queue uut;

  fixture() {
    for (uint64_t task : {10, 11, 12})
      uut.push_back(ann, task);
    uut.push_back(bob, 20);
    for (uint64_t task : {30, 31})
      uut.push_back(eve, task);
  }

  void serve(const tasks& x) { uut.serve(x); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(fair_queue_test, fixture)

BOOST_AUTO_TEST_CASE(clients_take_turns_and_each_is_served_in_its_order) {
  BOOST_TEST(uut.front() == 10u);
  BOOST_TEST((uut.order() == tasks{10, 20, 30, 11, 31, 12}));
}

BOOST_AUTO_TEST_CASE(who_was_served_stands_behind_the_others) {
  serve({10});
  BOOST_TEST((uut.order() == tasks{20, 30, 11, 31, 12}));
  serve({20, 30});
  BOOST_TEST((uut.order() == tasks{11, 31, 12}));
}

BOOST_AUTO_TEST_CASE(one_that_comes_anew_waits_for_one_task_of_each_at_most) {
  serve({10});
  uut.push_back(4, 40);
  BOOST_TEST((uut.order() == tasks{20, 30, 11, 40, 31, 12}));
}

BOOST_AUTO_TEST_CASE(a_task_may_be_served_before_those_of_its_client_that_came_earlier) {
  serve({12});
  BOOST_TEST((uut.order() == tasks{20, 30, 10, 31, 11}));
}

BOOST_AUTO_TEST_CASE(what_was_served_in_vain_is_next) {
  serve({10, 20});
  uut.push_front(bob, 20);
  uut.push_front(ann, 10);
  BOOST_TEST((uut.order() == tasks{10, 20, 30, 11, 31, 12}));
}

BOOST_AUTO_TEST_CASE(a_task_that_is_taken_back_costs_nobody_a_turn) {
  uut.erase(20);
  uut.erase(99);
  BOOST_TEST((uut.order() == tasks{10, 30, 11, 31, 12}));
  for (uint64_t task : {10, 11, 12, 30, 31})
    uut.erase(task);
  BOOST_TEST(uut.empty());
}

BOOST_AUTO_TEST_SUITE_END()
