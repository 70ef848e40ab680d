#include <boost/test/unit_test.hpp>

#include "actors/device/device_ledger.hpp"

using namespace luna;

namespace {

using keys = std::vector<std::string>;

struct fixture {
  device_ledger uut{1000};
  uint64_t last_id = 0;

  uint64_t want(const std::string& key, uint64_t weights, uint64_t working, int priority = 0,
                const std::string& place = "") {
    ledger_request x;
    x.id = ++last_id;
    x.key = key;
    x.name = key;
    x.place = place.empty() ? key : place;
    x.weight_bytes = weights;
    x.working_bytes = working;
    x.priority = priority;
    uut.add(x);
    return x.id;
  }

  /// The lease that is granted next; 0: none.
  uint64_t granted() {
    auto step = uut.next();
    BOOST_TEST(step.evict.empty());
    return step.granted ? step.granted->id : 0;
  }

  /// Loads a model and leaves it there, unused.
  void have(const std::string& key, uint64_t bytes, const std::string& place = "") {
    auto id = want(key, bytes, 0, 0, place);
    BOOST_REQUIRE(granted() == id);
    BOOST_REQUIRE(uut.release(id, bytes));
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(device_ledger_test, fixture)

BOOST_AUTO_TEST_CASE(requests_go_by_priority_and_first_come_first_served_within) {
  auto first = want("a", 10, 0);
  auto second = want("a", 10, 0);
  auto low = want("a", 10, 0, -1);
  auto high = want("a", 10, 0, 1);
  for (auto id : {high, first, second, low}) {
    BOOST_TEST(granted() == id);
    BOOST_TEST(granted() == 0u); // one at a time
    uut.release(id, 10);
  }
}

BOOST_AUTO_TEST_CASE(a_need_above_the_budget_never_fits) {
  ledger_request x;
  x.key = "a";
  x.weight_bytes = 600;
  x.working_bytes = 401;
  BOOST_TEST(!uut.fit(x));
  x.working_bytes = 400;
  BOOST_TEST((uut.fit(x) == 400u));
  x.weight_bytes = 1001;
  x.min_working_bytes = 1;
  BOOST_TEST(!uut.fit(x));
}

BOOST_AUTO_TEST_CASE(less_working_memory_is_granted_where_the_request_can_do_with_less) {
  ledger_request x;
  x.key = "a";
  x.weight_bytes = 600;
  x.working_bytes = 5000;
  x.min_working_bytes = 300;
  BOOST_TEST((uut.fit(x) == 400u)); // all that the weights leave
  x.min_working_bytes = 401;
  BOOST_TEST(!uut.fit(x));
}

BOOST_AUTO_TEST_CASE(more_working_memory_is_granted_as_far_as_nobody_has_it) {
  have("b", 300);
  auto grant = [&](uint64_t useful) {
    ledger_request x;
    x.id = ++last_id;
    x.key = x.name = x.place = "a";
    x.weight_bytes = 100;
    x.working_bytes = 200;
    x.useful_working_bytes = useful;
    uut.add(x);
    auto step = uut.next();
    BOOST_TEST(step.evict.empty()); // not for that
    BOOST_REQUIRE(step.granted);
    uut.release(x.id, 0);
    return step.granted->working_bytes;
  };
  BOOST_TEST(grant(0) == 200u);
  BOOST_TEST(grant(100) == 200u);
  BOOST_TEST(grant(350) == 350u);
  BOOST_TEST(grant(UINT64_MAX) == 600u);
}

BOOST_AUTO_TEST_CASE(the_least_recently_used_model_goes_first_and_no_more_than_needed) {
  have("a", 400);
  have("b", 300);
  have("c", 200);
  have("a", 400); // used again
  auto id = want("d", 150, 50);
  auto step = uut.next();
  BOOST_TEST(!step.granted);
  BOOST_TEST(step.evict == keys{"b"}, boost::test_tools::per_element());
  BOOST_TEST(uut.next().evict.empty()); // it is on its way
  uut.evicted("b");
  BOOST_TEST(granted() == id);
  BOOST_TEST(uut.used() == 400u + 200 + 150 + 50);
}

BOOST_AUTO_TEST_CASE(a_leased_model_is_never_evicted) {
  device_ledger two{1000, 2};
  uut = two;
  have("b", 300);
  auto a = want("a", 600, 50);
  BOOST_TEST(granted() == a);
  auto c = want("c", 500, 0);
  auto step = uut.next(); // without "b" it still would not fit: nothing is evicted in vain
  BOOST_TEST(step.evict.empty());
  BOOST_TEST(!step.granted);
  uut.release(a, 600);
  step = uut.next();
  BOOST_TEST((step.evict == keys{"b", "a"}));
  uut.evicted("b");
  BOOST_TEST(!uut.next().granted);
  uut.evicted("a");
  BOOST_TEST(granted() == c);
}

BOOST_AUTO_TEST_CASE(a_request_for_room_gets_the_device_without_what_nobody_uses) {
  device_ledger two{1000, 2};
  uut = two;
  auto used = want("used", 100, 0);
  BOOST_TEST(granted() == used);
  have("a", 100);
  have("b", 100);
  have("mine", 100);
  BOOST_TEST(uut.begin_unload("b")); // going already: it is not told twice
  ledger_request x;
  x.id = ++last_id;
  x.key = "mine";
  x.weight_bytes = 100;
  x.working_bytes = 10; // there is room as it is
  x.make_room = true;
  uut.add(x);
  auto step = uut.next();
  BOOST_TEST(!step.granted);
  BOOST_TEST((step.evict == keys{"a"}));
  uut.evicted("a");
  BOOST_TEST(granted() == 0u);
  uut.evicted("b");
  BOOST_TEST(granted() == x.id);
  BOOST_TEST(uut.models().size() == 2u);
}

BOOST_AUTO_TEST_CASE(nobody_overtakes_a_request_that_waits_for_room) {
  device_ledger two{1000, 2};
  uut = two;
  auto a = want("a", 800, 0);
  BOOST_TEST(granted() == a);
  auto big = want("b", 300, 0);
  auto small = want("c", 10, 0);
  BOOST_TEST(granted() == 0u);
  uut.withdraw(big);
  BOOST_TEST(granted() == small);
}

BOOST_AUTO_TEST_CASE(a_failed_load_leaves_nothing) {
  auto id = want("a", 500, 100);
  BOOST_TEST(granted() == id);
  BOOST_TEST(uut.used() == 600u);
  BOOST_TEST(uut.release(id, 0));
  BOOST_TEST(uut.used() == 0u);
  BOOST_TEST(uut.models().empty());
}

BOOST_AUTO_TEST_CASE(an_unused_lease_leaves_the_model_as_it_was) {
  auto id = want("a", 500, 100);
  granted();
  BOOST_TEST(uut.release_unused(id));
  BOOST_TEST(uut.models().empty());
  have("b", 200);
  id = want("b", 200, 10);
  granted();
  BOOST_TEST(uut.release_unused(id));
  BOOST_TEST(uut.models().at("b").loaded);
  BOOST_TEST(uut.used() == 200u);
}

BOOST_AUTO_TEST_CASE(a_lease_ends_once) {
  auto id = want("a", 500, 100);
  granted();
  BOOST_TEST(uut.release(id, 500));
  BOOST_TEST(!uut.release(id, 0));
  BOOST_TEST(!uut.abandon(id));
  BOOST_TEST(uut.used() == 500u);
}

BOOST_AUTO_TEST_CASE(what_an_abandoned_lease_loaded_counts) {
  auto id = want("a", 500, 100);
  granted();
  BOOST_TEST(uut.abandon(id));
  BOOST_TEST(uut.used() == 500u);
}

BOOST_AUTO_TEST_CASE(the_measured_size_replaces_the_promised_one) {
  auto id = want("a", 500, 0);
  granted();
  uut.release(id, 700);
  BOOST_TEST(uut.used() == 700u);
  // What the file promised would leave room for this, what was measured does not.
  auto again = want("a", 500, 400);
  auto step = uut.next();
  BOOST_TEST((step.refused == again));
  BOOST_TEST(uut.waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(the_old_version_of_a_file_goes_when_the_new_one_is_used) {
  have("a@1", 300, "a");
  auto id = want("a@2", 300, 0, 0, "a");
  auto step = uut.next();
  BOOST_TEST((step.granted && step.granted->id == id));
  step = uut.next();
  BOOST_TEST(step.evict == keys{"a@1"}, boost::test_tools::per_element());
  uut.evicted("a@1");
  BOOST_TEST(uut.used() == 300u);
}

BOOST_AUTO_TEST_CASE(the_old_version_stays_while_it_is_leased) {
  device_ledger two{1000, 2};
  uut = two;
  auto old = want("a@1", 300, 0, 0, "a");
  BOOST_TEST(granted() == old);
  auto fresh = want("a@2", 300, 0, 0, "a");
  BOOST_TEST(granted() == fresh);
  BOOST_TEST(granted() == 0u);
  uut.release(fresh, 300);
  BOOST_TEST(granted() == 0u);
  uut.release(old, 300);
  BOOST_TEST(uut.next().evict == keys{"a@1"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_model_on_its_way_out_is_loaded_again_afterwards) {
  have("a", 300);
  BOOST_TEST(uut.begin_unload("a"));
  BOOST_TEST(!uut.begin_unload("a"));
  auto id = want("a", 300, 0);
  BOOST_TEST(granted() == 0u);
  uut.evicted("a");
  BOOST_TEST(granted() == id);
}

BOOST_AUTO_TEST_CASE(a_leased_model_cannot_be_unloaded) {
  want("a", 300, 0);
  granted();
  BOOST_TEST(!uut.begin_unload("a"));
  BOOST_TEST(!uut.begin_unload("b"));
}

BOOST_AUTO_TEST_CASE(the_death_of_the_worker_empties_the_ledger_but_not_the_line) {
  have("a", 300);
  auto id = want("b", 300, 100);
  granted();
  auto waiting = want("a", 300, 0);
  uut.clear();
  BOOST_TEST(uut.used() == 0u);
  BOOST_TEST(!uut.release(id, 300));
  BOOST_TEST(granted() == waiting);
}

BOOST_AUTO_TEST_SUITE_END()
