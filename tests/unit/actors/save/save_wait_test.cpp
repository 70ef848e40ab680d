#include "save_fixture.hpp"

// What is left of those who waited for a job: nothing.

using namespace luna;
using namespace luna::testing;
using namespace std::chrono_literals;

namespace {

struct fixture : save_fixture {
  fixture() { BOOST_REQUIRE_EQUAL(start(), ""); }

  /// A job that has failed once and waits for its next attempt.
  std::string waiting_job() {
    disk->inject({storage::testing::io_op::create, "/out/bad"});
    return submitted(saving("bad/w"));
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(save_wait_test, fixture)

BOOST_AUTO_TEST_CASE(nothing_is_left_of_the_waits_of_a_client_that_is_gone) {
  auto job = waiting_job();
  auto client = system.spawn([&](caf::event_based_actor* me) {
    for (int i = 0; i < 100; ++i)
      me->request(queue, std::chrono::minutes{24 * 60}, wait_atom_v, job, uint32_t{86'400'000})
        .then([](std::string&) {}, [](const caf::error&) {});
    me->become([](drop_atom) {});
  });
  run();
  BOOST_CHECK_EQUAL(front().waiters.size(), 100u);
  end(client);
  BOOST_CHECK(front().waiters.empty());
  BOOST_CHECK_EQUAL(timers_for_later(), 0u);
}

BOOST_AUTO_TEST_SUITE_END()
