#include <boost/test/unit_test.hpp>

#include "storage/record_ledger.hpp"

using namespace luna::storage;

namespace {

struct fixture {
  record_ledger ledger;

  size_t needed(uint64_t segment) const { return ledger.needed_in(segment).size(); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(record_ledger_test, fixture)

BOOST_AUTO_TEST_CASE(pixels_are_needed_until_the_job_says_they_are_not) {
  ledger.add("j", record_kind::accepted, {1, 0, 1000});
  BOOST_CHECK_EQUAL(needed(1), 1u);
  ledger.drop_pixels("j");
  BOOST_CHECK_EQUAL(needed(1), 0u);
}

BOOST_AUTO_TEST_CASE(a_snapshot_replaces_the_small_records_before_it) {
  ledger.add("j", record_kind::started, {1, 0, 64});
  ledger.add("j", record_kind::publishing, {2, 0, 64});
  BOOST_CHECK_EQUAL(needed(1) + needed(2), 2u);
  ledger.add("j", record_kind::snapshot, {2, 64, 128});
  BOOST_CHECK_EQUAL(needed(1), 0u);
  BOOST_CHECK_EQUAL(needed(2), 1u);
  ledger.add("j", record_kind::started, {3, 0, 64});
  BOOST_CHECK_EQUAL(needed(3), 1u);
}

BOOST_AUTO_TEST_CASE(a_record_that_was_written_again_is_needed_in_its_new_place_only) {
  ledger.add("j", record_kind::accepted, {1, 0, 1000});
  ledger.add("j", record_kind::accepted, {5, 0, 1000});
  BOOST_CHECK_EQUAL(needed(1), 0u);
  BOOST_CHECK_EQUAL(needed(5), 1u);
  BOOST_CHECK(ledger.accepted("j") == (log_place{5, 0, 1000}));
}

BOOST_AUTO_TEST_CASE(a_tombstone_is_needed_while_any_older_record_exists) {
  ledger.add("j", record_kind::accepted, {1, 0, 1000});
  ledger.add("j", record_kind::snapshot, {2, 0, 128});
  BOOST_CHECK(ledger.forget("j"));
  ledger.add("j", record_kind::forgotten, {3, 0, 64});
  BOOST_CHECK_EQUAL(needed(1) + needed(2), 0u);
  BOOST_CHECK_EQUAL(needed(3), 1u);
  ledger.segment_gone(1);
  BOOST_CHECK_EQUAL(needed(3), 1u);
  ledger.segment_gone(2);
  BOOST_CHECK_EQUAL(needed(3), 0u);
}

BOOST_AUTO_TEST_CASE(a_copy_in_a_failed_segment_keeps_the_tombstone_too) {
  ledger.add("j", record_kind::accepted, {2, 0, 1000});
  ledger.add_copy("j", {1, 0, 1000});
  BOOST_CHECK_EQUAL(needed(1), 0u);
  ledger.forget("j");
  ledger.add("j", record_kind::forgotten, {3, 0, 64});
  ledger.segment_gone(2);
  BOOST_CHECK_EQUAL(needed(3), 1u);
  ledger.segment_gone(1);
  BOOST_CHECK_EQUAL(needed(3), 0u);
}

BOOST_AUTO_TEST_CASE(the_sums_of_a_segment_are_those_of_its_needed_records) {
  auto check = [this](uint64_t segment) {
    uint64_t all = 0;
    uint64_t pixels = 0;
    for (auto& record : ledger.needed_in(segment)) {
      all += record.place.bytes;
      pixels += record.kind == record_kind::accepted ? record.place.bytes : 0;
    }
    BOOST_CHECK_EQUAL(ledger.needed_of(segment).all, all);
    BOOST_CHECK_EQUAL(ledger.needed_of(segment).pixels, pixels);
  };
  auto check_all = [&] {
    for (uint64_t segment = 1; segment <= 4; ++segment)
      check(segment);
  };
  ledger.add("j", record_kind::accepted, {1, 0, 1000});
  ledger.add("k", record_kind::accepted, {1, 1000, 500});
  ledger.add("j", record_kind::started, {1, 1500, 64});
  check_all();
  ledger.add("j", record_kind::publishing, {2, 0, 128});
  ledger.add("j", record_kind::snapshot, {2, 128, 256});
  ledger.add_copy("k", {2, 384, 500});
  check_all();
  ledger.drop_pixels("j");
  ledger.add("k", record_kind::accepted, {3, 0, 500});
  check_all();
  ledger.segment_gone(1);
  ledger.forget("j");
  ledger.add("j", record_kind::forgotten, {3, 500, 64});
  check_all();
  BOOST_CHECK_EQUAL(ledger.needed_of(3).all, 564u);
  ledger.segment_gone(2);
  check_all();
  BOOST_CHECK_EQUAL(ledger.needed_of(3).all, 500u);
}

BOOST_AUTO_TEST_CASE(a_job_without_records_needs_no_tombstone) {
  BOOST_CHECK(!ledger.forget("j"));
}

BOOST_AUTO_TEST_CASE(the_id_of_a_job_lives_until_the_job_is_forgotten_and_its_records_are_gone) {
  auto id = ledger.know("j");
  ledger.add("j", record_kind::accepted, {1, 0, 1000});
  ledger.add("j", record_kind::snapshot, {2, 0, 128});
  ledger.segment_gone(1);
  ledger.segment_gone(7);
  BOOST_CHECK(ledger.know("j").data() == id.data());
  BOOST_CHECK(ledger.forget("j"));
  ledger.know("k");
  BOOST_CHECK(!ledger.forget("k"));
}

BOOST_AUTO_TEST_CASE(a_tombstone_alone_is_not_needed) {
  ledger.add("j", record_kind::forgotten, {3, 0, 64});
  BOOST_CHECK_EQUAL(needed(3), 0u);
}

BOOST_AUTO_TEST_SUITE_END()
