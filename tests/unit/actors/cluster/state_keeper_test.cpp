#include "actors/cluster/state_keeper.hpp"
#include "fixture.hpp"
#include "storage/durable_state.hpp"
#include "storage/testing/faulty_file_system.hpp"
#include "tests/unit/why.hpp"

using namespace luna;
using namespace luna::testing;
using storage::testing::io_op;
using storage::testing::survival;

namespace {

/// A keeper that writes as the node does, on a disk in memory.
struct fixture : actor_fixture {
  storage::testing::faulty_file_system disk;
  keeper_actor uut;

  fixture() {
    auto data = *disk.make_directories("/data");
    auto write = [file = storage::durable_state{data}](const cluster_state& x) mutable {
      return file.save({x.epoch, x.mode});
    };
    uut = system.spawn(state_keeper, state_writer{write});
  }

  storage::control_state after_a_power_cut() {
    disk.restart(survival::synced);
    auto state = storage::durable_state{*disk.open_directory("/data")}.load();
    BOOST_REQUIRE_EQUAL(why(state), "");
    return *state;
  }

  ~fixture() { end(uut); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(state_keeper_test, fixture)

BOOST_AUTO_TEST_CASE(what_was_answered_survives_a_power_cut) {
  auto kept = ask<bool>(uut, keep_atom_v, cluster_state{7, attention_mode::split});
  BOOST_REQUIRE_EQUAL(why(kept), "");
  BOOST_CHECK(*kept);
  kept = ask<bool>(uut, keep_atom_v, cluster_state{8, attention_mode::flash});
  BOOST_REQUIRE_EQUAL(why(kept), "");
  auto state = after_a_power_cut();
  BOOST_CHECK_EQUAL(state.epoch, 8u);
  BOOST_CHECK(state.mode == attention_mode::flash);
}

BOOST_AUTO_TEST_CASE(a_disk_that_fails_is_told_and_the_state_before_stays) {
  BOOST_REQUIRE_EQUAL(why(ask<bool>(uut, keep_atom_v, cluster_state{7, attention_mode::split})),
                      "");
  disk.inject({io_op::sync, "/data", storage::io_kind::broken, 0, 1});
  auto kept = ask<bool>(uut, keep_atom_v, cluster_state{8, attention_mode::flash});
  BOOST_REQUIRE(!kept);
  BOOST_CHECK(kept.error().code == ec::unavailable);
  BOOST_CHECK_NE(kept.error().message.find("/data"), std::string::npos);
  // It goes on: the next state is kept.
  BOOST_CHECK_EQUAL(why(ask<bool>(uut, keep_atom_v, cluster_state{9, attention_mode::pytorch})),
                    "");
  BOOST_CHECK_EQUAL(after_a_power_cut().epoch, 9u);
}

BOOST_AUTO_TEST_SUITE_END()
