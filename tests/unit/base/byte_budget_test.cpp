#include <boost/test/unit_test.hpp>

#include <thread>
#include <vector>

#include "base/byte_budget.hpp"

namespace luna {

BOOST_AUTO_TEST_SUITE(byte_budget_test)

BOOST_AUTO_TEST_CASE(shares_never_pass_the_capacity) {
  auto budget = byte_budget::make(100);
  auto first = budget->try_take(60);
  BOOST_REQUIRE(first.has_value());
  BOOST_TEST(!budget->try_take(41).has_value());
  auto second = budget->try_take(40);
  BOOST_TEST(second.has_value());
  BOOST_TEST(budget->used() == 100U);
  BOOST_TEST(!budget->try_take(1).has_value());
}

BOOST_AUTO_TEST_CASE(a_share_gives_its_bytes_back_when_it_ends) {
  auto budget = byte_budget::make(100);
  {
    auto share = budget->try_take(100);
    BOOST_TEST(budget->used() == 100U);
  }
  BOOST_TEST(budget->used() == 0U);
}

BOOST_AUTO_TEST_CASE(a_released_share_is_empty_and_cannot_grow) {
  auto budget = byte_budget::make(100);
  auto share = *budget->try_take(10);
  share.release();
  share.release();
  BOOST_TEST(budget->used() == 0U);
  BOOST_TEST(share.bytes() == 0U);
  BOOST_TEST(!share.grow(1));
}

BOOST_AUTO_TEST_CASE(growing_past_the_capacity_changes_nothing) {
  auto budget = byte_budget::make(100);
  auto share = *budget->try_take(0);
  BOOST_TEST(share.grow(70));
  BOOST_TEST(!share.grow(31));
  BOOST_TEST(share.bytes() == 70U);
  BOOST_TEST(budget->used() == 70U);
  BOOST_TEST(share.grow(30));
}

BOOST_AUTO_TEST_CASE(a_hostile_size_does_not_wrap_around) {
  auto budget = byte_budget::make(100);
  auto share = *budget->try_take(50);
  BOOST_TEST(!share.grow(~uint64_t{0}));
  BOOST_TEST(!share.grow(~uint64_t{0} - 49));
  BOOST_TEST(!budget->try_take(~uint64_t{0}).has_value());
  BOOST_TEST(budget->used() == 50U);
}

BOOST_AUTO_TEST_CASE(a_moved_share_is_counted_once) {
  auto budget = byte_budget::make(100);
  auto first = *budget->try_take(30);
  auto second = std::move(first);
  BOOST_TEST(first.bytes() == 0U); // NOLINT(bugprone-use-after-move)
  BOOST_TEST(second.bytes() == 30U);
  auto third = *budget->try_take(20);
  third = std::move(second);
  BOOST_TEST(third.bytes() == 30U);
  BOOST_TEST(budget->used() == 30U);
}

BOOST_AUTO_TEST_CASE(a_share_keeps_the_budget_alive) {
  auto budget = byte_budget::make(100);
  auto share = *budget->try_take(30);
  std::weak_ptr<byte_budget> watch = budget;
  budget.reset();
  BOOST_TEST(!watch.expired());
  share.release();
  BOOST_TEST(watch.expired());
}

BOOST_AUTO_TEST_CASE(many_threads_never_take_more_than_there_is) {
  auto budget = byte_budget::make(1000);
  std::vector<std::thread> threads;
  std::atomic<bool> passed{false};
  for (auto t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (auto i = 0; i < 2000; ++i) {
        auto share = budget->try_take(300);
        if (share && budget->used() > 1000)
          passed = true;
        if (share)
          share->grow(200);
      }
    });
  for (auto& x : threads)
    x.join();
  BOOST_TEST(!passed);
  BOOST_TEST(budget->used() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna
