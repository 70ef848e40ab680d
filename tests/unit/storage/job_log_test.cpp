#include <boost/test/unit_test.hpp>

#include <algorithm>

#include "simulated_node.hpp"
#include "storage/job_log.hpp"

namespace luna::storage::testing {

namespace {

struct fixture {
  faulty_file_system disk;
  uint64_t marks = 100;
  std::optional<job_log> log;
  std::vector<found_record> found;
  std::vector<log_damage> damages;
  std::map<uint64_t, log_place> durable; ///< by ticket

  fixture() { open(); }

  void open(size_t spares = 2) {
    log.reset();
    auto folder = disk.make_directories("/log");
    BOOST_REQUIRE(folder);
    auto opened = job_log::open(*folder, {8192, spares, [this] { return ++marks; }, {}});
    BOOST_REQUIRE(opened);
    log.emplace(std::move(opened->log));
    found = std::move(opened->records);
    damages = std::move(opened->damages);
    log->on_durable = [this](uint64_t ticket, const log_place& place, auto&) {
      durable[ticket] = place;
    };
  }

  uint64_t append(std::string payload, std::vector<tensor_block> pieces = {}) {
    std::vector<piece_entry> table;
    for (auto& piece : pieces)
      table.push_back({piece.size_bytes(), crc32c(piece.bytes())});
    return log->append(record_kind::started, std::move(payload), std::move(pieces),
                       std::move(table));
  }

  std::vector<std::string> payloads() const {
    std::vector<std::string> texts;
    for (auto& record : found)
      texts.push_back(record.payload);
    return texts;
  }

  void check_payloads(std::vector<std::string> wanted) {
    auto texts = payloads();
    BOOST_CHECK_EQUAL_COLLECTIONS(texts.begin(), texts.end(), wanted.begin(), wanted.end());
  }

  std::string path_of(uint64_t ticket) const {
    for (auto& path : disk.files("/log"))
      if (path.find("/" + std::string(9, '0') + std::to_string(durable.at(ticket).segment) + "-")
          != path.npos)
        return path;
    return {};
  }

  /// Overwrites one byte of a record, durably.
  void damage(uint64_t ticket, uint64_t offset) {
    auto path = path_of(ticket);
    auto text = disk.contents(path).value();
    text[durable.at(ticket).offset + offset] ^= 0x40;
    disk.put(path, text);
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(job_log_test, fixture)

BOOST_AUTO_TEST_CASE(gives_back_what_was_synced_in_order) {
  append("one");
  append("two", {pixels_of(1, 5000)});
  append("three");
  BOOST_REQUIRE(log->sync());
  BOOST_CHECK_EQUAL(durable.size(), 3u);
  disk.restart(survival::synced);
  open();
  check_payloads({"one", "two", "three"});
  BOOST_CHECK(damages.empty());
  auto reader = log->pieces_of(found[1].place, found[1].pieces);
  BOOST_REQUIRE(reader);
  auto piece = reader->read(0);
  BOOST_REQUIRE(piece);
  auto wanted = pixels_of(1, 5000);
  BOOST_CHECK(std::ranges::equal(**piece, wanted.bytes()));
}

BOOST_AUTO_TEST_CASE(one_sync_makes_many_appends_durable) {
  append("first");
  BOOST_REQUIRE(log->sync());
  auto before = disk.journal().size();
  for (int i = 0; i < 10; ++i)
    append("record " + std::to_string(i));
  BOOST_REQUIRE(log->sync());
  auto journal = disk.journal();
  auto syncs = std::count_if(journal.begin() + static_cast<ptrdiff_t>(before), journal.end(),
                             [](auto& x) { return x.starts_with("sync"); });
  BOOST_CHECK_EQUAL(syncs, 1);
}

BOOST_AUTO_TEST_CASE(nothing_new_costs_no_sync) {
  append("one");
  BOOST_REQUIRE(log->sync());
  auto before = disk.operations();
  BOOST_REQUIRE(log->sync());
  BOOST_CHECK_EQUAL(disk.operations(), before);
}

BOOST_AUTO_TEST_CASE(a_record_larger_than_a_segment_gets_one_of_its_own_size) {
  append("big", {pixels_of(1, 50000)});
  BOOST_REQUIRE(log->sync());
  disk.restart(survival::synced);
  open();
  check_payloads({"big"});
}

BOOST_AUTO_TEST_CASE(records_go_on_in_a_new_segment_when_one_is_full) {
  std::vector<std::string> wanted;
  for (int i = 0; i < 10; ++i) {
    wanted.push_back("record " + std::to_string(i));
    append(wanted.back(), {pixels_of(1, 3000)});
  }
  BOOST_REQUIRE(log->sync());
  BOOST_CHECK_GE(log->closed_segments().size(), 4u);
  disk.restart(survival::synced);
  open();
  check_payloads(wanted);
  BOOST_CHECK(damages.empty());
}

BOOST_AUTO_TEST_CASE(a_retired_segment_is_reused_without_showing_its_earlier_life) {
  auto old = append("an old record that is long", {pixels_of(1, 6000)});
  BOOST_REQUIRE(log->sync());
  append("another", {pixels_of(2, 6000)});
  BOOST_REQUIRE(log->sync());
  BOOST_REQUIRE(log->retire(durable.at(old).segment));
  auto files = disk.files("/log").size();
  append("third", {pixels_of(3, 6000)});
  append("fourth", {pixels_of(3, 100)});
  BOOST_REQUIRE(log->sync());
  BOOST_CHECK_EQUAL(disk.files("/log").size(), files);
  disk.restart(survival::synced);
  open();
  check_payloads({"another", "third", "fourth"});
  BOOST_CHECK(damages.empty());
}

BOOST_AUTO_TEST_CASE(a_segment_that_is_still_read_is_not_reused_but_removed) {
  auto old = append("old", {pixels_of(1, 6000)});
  BOOST_REQUIRE(log->sync());
  append("another", {pixels_of(2, 6000)});
  BOOST_REQUIRE(log->sync());
  auto record = log->read(durable.at(old));
  BOOST_REQUIRE(record);
  auto reader = log->pieces_of(durable.at(old), record->pieces);
  BOOST_REQUIRE(log->retire(durable.at(old).segment));
  append("third", {pixels_of(3, 6000)});
  append("fourth", {pixels_of(3, 6000)});
  BOOST_REQUIRE(log->sync());
  BOOST_CHECK(reader->check(0));
}

BOOST_AUTO_TEST_CASE(pixels_that_imitate_a_record_are_never_read_as_one) {
  // Somebody who can choose pixels, but does not know the mark of the segment.
  auto forged = encode_front(1, 64, static_cast<uint16_t>(record_kind::forgotten), "forged", {});
  std::string pixels;
  for (int i = 0; i < 10; ++i)
    pixels += forged;
  auto block = tensor_block::copy_of(dtype::u8, {static_cast<int64_t>(pixels.size())},
                                     std::as_bytes(std::span{pixels}));
  auto hit = append("hit", {block});
  append("next");
  BOOST_REQUIRE(log->sync());
  damage(hit, 0);
  open();
  check_payloads({"next"});
}

BOOST_AUTO_TEST_CASE(a_damaged_header_costs_its_record_and_is_reported_with_its_place) {
  append("one");
  auto hit = append("two", {pixels_of(1, 1000)});
  append("three");
  BOOST_REQUIRE(log->sync());
  damage(hit, 20);
  open();
  check_payloads({"one", "three"});
  BOOST_REQUIRE_EQUAL(damages.size(), 1u);
  BOOST_CHECK_EQUAL(damages[0].offset, durable.at(hit).offset);
  BOOST_CHECK_EQUAL(damages[0].bytes, durable.at(hit).bytes);
  BOOST_CHECK(!damages[0].at_end);
  BOOST_CHECK_NE(damages[0].message.find(".log is damaged at offset"), std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_damaged_payload_costs_its_record_and_is_reported_with_its_place) {
  auto hit = append("one");
  append("two");
  BOOST_REQUIRE(log->sync());
  damage(hit, header_bytes + 1);
  open();
  check_payloads({"two"});
  BOOST_REQUIRE_EQUAL(damages.size(), 1u);
  BOOST_CHECK_EQUAL(damages[0].offset, 0u);
}

BOOST_AUTO_TEST_CASE(a_damaged_last_record_is_reported_too) {
  append("one");
  auto hit = append("two");
  BOOST_REQUIRE(log->sync());
  damage(hit, 3);
  open();
  check_payloads({"one"});
  BOOST_REQUIRE_EQUAL(damages.size(), 1u);
  BOOST_CHECK(damages[0].at_end);
}

BOOST_AUTO_TEST_CASE(damaged_pixels_are_found_when_they_are_read) {
  auto hit = append("one", {pixels_of(1, 1000), pixels_of(2, 1000)});
  BOOST_REQUIRE(log->sync());
  damage(hit, durable.at(hit).bytes - 100);
  open();
  check_payloads({"one"});
  auto reader = log->pieces_of(found[0].place, found[0].pieces);
  BOOST_CHECK(reader->check(0));
  auto damaged = reader->check(1);
  BOOST_REQUIRE(!damaged);
  BOOST_CHECK(damaged.error().code == ec::internal);
  BOOST_CHECK_NE(damaged.error().message.find("/log/"), std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_failed_sync_is_never_repeated_for_the_same_segment) {
  auto first = append("one");
  BOOST_REQUIRE(log->sync());
  auto bad = path_of(first);
  disk.inject({io_op::sync, bad, io_kind::broken});
  append("two", {pixels_of(1, 1000)});
  append("three");
  BOOST_REQUIRE(log->sync()); // in a new segment
  append("four");
  BOOST_REQUIRE(log->sync());
  auto journal = disk.journal();
  BOOST_CHECK_EQUAL(std::count(journal.begin(), journal.end(), "sync " + bad), 2);
  disk.clear_faults();
  disk.restart(survival::synced);
  open();
  auto texts = payloads();
  // Part of the failed segment may have reached the disk: copies are allowed, losses are not.
  for (auto text : {"one", "two", "three", "four"})
    BOOST_CHECK_MESSAGE(std::count(texts.begin(), texts.end(), text) >= 1, text << " is lost");
}

BOOST_AUTO_TEST_CASE(when_no_sync_succeeds_the_records_wait_and_come_later) {
  disk.inject({io_op::sync, "/log", io_kind::broken});
  auto ticket = append("one");
  auto failed = log->sync();
  BOOST_REQUIRE(!failed);
  BOOST_CHECK(failed.error().code == ec::unavailable);
  BOOST_CHECK(log->dirty());
  BOOST_CHECK(!durable.contains(ticket));
  disk.clear_faults();
  BOOST_REQUIRE(log->sync());
  disk.restart(survival::synced);
  open();
  check_payloads({"one"});
}

BOOST_AUTO_TEST_CASE(a_broken_disk_does_not_fill_with_segments) {
  disk.inject({io_op::write, ".log", io_kind::broken});
  for (int i = 0; i < 20; ++i) {
    auto ticket = append("record");
    BOOST_CHECK(!log->write());
    log->withdraw(ticket);
  }
  BOOST_CHECK_LE(disk.files("/log").size(), 2u);
}

BOOST_AUTO_TEST_CASE(a_withdrawn_record_is_not_written_later) {
  disk.inject({io_op::sync, "/log", io_kind::broken});
  auto gone = append("gone");
  append("stays");
  BOOST_CHECK(!log->sync());
  log->withdraw(gone);
  disk.clear_faults();
  BOOST_REQUIRE(log->sync());
  disk.restart(survival::synced);
  open();
  check_payloads({"stays"});
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_overloaded_and_leaves_no_half_segment) {
  disk.set_capacity(4096);
  append("one");
  auto failed = log->sync();
  BOOST_REQUIRE(!failed);
  BOOST_CHECK(failed.error().code == ec::overloaded);
  BOOST_CHECK_GT(failed.error().retry_after_ms, 0u);
  BOOST_CHECK(disk.files("/log").empty());
  disk.set_capacity(1 << 20);
  BOOST_REQUIRE(log->sync());
}

BOOST_AUTO_TEST_CASE(small_records_have_a_place_when_a_full_disk_takes_no_new_job) {
  auto room = 8192u - 512u; // what a new job may take
  auto taken = front_bytes(1, 3) + 6976;
  BOOST_REQUIRE_LE(taken, room);
  auto accept = [&](int64_t size) {
    auto pixels = pixels_of(1, size);
    std::vector<piece_entry> table{{pixels.size_bytes(), crc32c(pixels.bytes())}};
    log->append(record_kind::accepted, "job", {pixels}, std::move(table));
    return log->sync();
  };
  BOOST_REQUIRE(accept(6976));
  disk.set_capacity(8192);
  BOOST_CHECK(!accept(512));
  log->withdraw(2);
  append("a small record");
  BOOST_CHECK(log->sync());
}

BOOST_AUTO_TEST_CASE(a_read_only_disk_is_not_permitted) {
  disk.inject({io_op::create, "/log", io_kind::read_only});
  append("one");
  auto failed = log->sync();
  BOOST_REQUIRE(!failed);
  BOOST_CHECK(failed.error().code == ec::not_permitted);
}

BOOST_AUTO_TEST_CASE(an_unreadable_segment_costs_its_records_not_the_start) {
  auto first = append("one", {pixels_of(1, 6000)});
  append("two", {pixels_of(1, 6000)});
  BOOST_REQUIRE(log->sync());
  disk.inject({io_op::read, path_of(first), io_kind::broken});
  open();
  check_payloads({"two"});
  BOOST_REQUIRE_EQUAL(damages.size(), 1u);
  BOOST_CHECK_EQUAL(damages[0].file, path_of(first));
}

BOOST_AUTO_TEST_CASE(foreign_files_in_the_folder_are_left_alone) {
  disk.put("/log/notes.txt", "mine");
  disk.put("/log/x-y.log", "mine");
  open();
  BOOST_CHECK(disk.contents("/log/notes.txt") == "mine");
  BOOST_CHECK(disk.contents("/log/x-y.log") == "mine");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::storage::testing
