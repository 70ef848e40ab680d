#include <boost/test/unit_test.hpp>

#include "storage/durable_state.hpp"
#include "storage/testing/faulty_file_system.hpp"

namespace luna::storage::testing {

namespace {

struct fixture {
  faulty_file_system disk;

  result<control_state> load() { return durable_state{*disk.make_directories("/data")}.load(); }

  result<void> save(const control_state& x) {
    auto data = disk.make_directories("/data");
    if (!data)
      return fail_io(data);
    return durable_state{*data}.save(x);
  }
};

const control_state old_state{41, attention_mode::flash};
const control_state new_state{42, attention_mode::split};

} // namespace

BOOST_FIXTURE_TEST_SUITE(durable_state_test, fixture)

BOOST_AUTO_TEST_CASE(without_a_file_it_is_epoch_0_and_auto) {
  BOOST_CHECK(load().value() == control_state{});
}

BOOST_AUTO_TEST_CASE(what_was_saved_survives_a_power_cut) {
  BOOST_REQUIRE(save(old_state));
  BOOST_REQUIRE(save(new_state));
  disk.restart(survival::synced);
  BOOST_CHECK(load().value() == new_state);
}

BOOST_AUTO_TEST_CASE(a_power_cut_at_any_operation_leaves_the_old_or_the_new_state) {
  for (auto mode : {survival::synced, survival::everything, survival::random})
    for (uint64_t at = 1; at < 20; ++at) {
      faulty_file_system fresh;
      auto data = fresh.make_directories("/data");
      BOOST_REQUIRE(durable_state{*data}.save(old_state));
      fresh.cut_power_at(fresh.operations() + at);
      auto saved = durable_state{*data}.save(new_state);
      if (saved)
        break;
      fresh.restart(mode, at);
      auto loaded = durable_state{*fresh.make_directories("/data")}.load();
      BOOST_REQUIRE(loaded);
      BOOST_CHECK(*loaded == old_state || *loaded == new_state);
    }
}

BOOST_AUTO_TEST_CASE(every_damaged_byte_is_detected_and_the_file_named) {
  BOOST_REQUIRE(save(new_state));
  auto good = disk.contents("/data/control").value();
  for (size_t i = 0; i < good.size(); ++i) {
    auto bad = good;
    bad[i] ^= 1;
    disk.put("/data/control", bad);
    auto loaded = load();
    BOOST_REQUIRE_MESSAGE(!loaded, "byte " << i);
    BOOST_CHECK(loaded.error().code == ec::internal);
    BOOST_CHECK_NE(loaded.error().message.find("/data/control"), std::string::npos);
    disk.put("/data/control", good.substr(0, i));
    BOOST_CHECK(!load());
  }
}

BOOST_AUTO_TEST_CASE(a_failed_save_keeps_the_old_state) {
  BOOST_REQUIRE(save(old_state));
  disk.inject({io_op::sync, "/data", io_kind::broken});
  BOOST_CHECK(!save(new_state));
  disk.clear_faults();
  BOOST_CHECK(load().value() == old_state);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
