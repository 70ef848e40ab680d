#include <boost/test/unit_test.hpp>

#include "storage/job_records.hpp"

using namespace luna;
using namespace luna::storage;

namespace {

file_identity some_identity() {
  file_identity x{42, 1000, {}};
  x.digest[3] = std::byte{7};
  return x;
}

accepted_record some_accepted() {
  accepted_record x;
  x.id = "j-1-1";
  x.key = "key";
  x.created = time_point{std::chrono::milliseconds{123456}};
  x.priority = -1;
  x.digest[0] = std::byte{9};
  x.task = "{}";
  x.plan = std::string("with a \0 in it", 14);
  x.images.push_back({{"/out", "sub", "a.png", true}, dtype::f32, {2, 3, 4}, {}});
  x.images.push_back({{"/out", "", "b.png", false}, dtype::u8, {}, {}});
  return x;
}

snapshot_record some_snapshot() {
  snapshot_record x;
  x.id = "j-1-1";
  x.key = "key";
  x.state = job_state::failed;
  x.attempts = 5;
  x.interruptions = 2;
  x.cancel_requested = true;
  x.pixels = pixel_state::given_up;
  x.created = time_point{std::chrono::milliseconds{1}};
  x.ended = time_point{std::chrono::milliseconds{2}};
  x.next_attempt = time_point{std::chrono::milliseconds{3}};
  x.error = "disk full";
  x.detail = "{}";
  x.images.push_back(
    {{"/out", "", "a.png", false}, image_state::failed, "e", "d", some_identity()});
  x.images.push_back({{"/out", "", "b.png", false}, image_state::done, "", "", std::nullopt});
  return x;
}

std::vector<job_record> all_kinds() {
  return {some_accepted(),
          started_record{"j-1-1"},
          publishing_record{"j-1-1", 3, {"/out", "", "a.png", false}, ".t", some_identity()},
          image_done_record{"j-1-1", 2, image_state::discarded, "{\"score\":0.1}"},
          some_snapshot(),
          forgotten_record{"j-1-1"}};
}

uint16_t kind_of(const job_record& x) {
  return std::visit([](auto& y) { return static_cast<uint16_t>(y.kind); }, x);
}

std::string bytes_of(const job_record& x) {
  return std::visit([](auto& y) { return encode(y); }, x);
}

} // namespace

BOOST_AUTO_TEST_SUITE(job_records_test)

BOOST_AUTO_TEST_CASE(every_kind_is_read_back_as_it_was_written) {
  for (auto& record : all_kinds()) {
    auto decoded = decode_record(kind_of(record), bytes_of(record));
    BOOST_REQUIRE(decoded);
    BOOST_CHECK_MESSAGE(*decoded == record, "kind " << kind_of(record) << " changes");
    BOOST_CHECK_EQUAL(job_of(*decoded), "j-1-1");
  }
}

BOOST_AUTO_TEST_CASE(a_payload_of_another_length_is_no_record) {
  for (auto& record : all_kinds()) {
    auto bytes = bytes_of(record);
    for (size_t size = 0; size < bytes.size(); ++size)
      BOOST_CHECK(!decode_record(kind_of(record), bytes.substr(0, size)));
    BOOST_CHECK(!decode_record(kind_of(record), bytes + "x"));
  }
}

BOOST_AUTO_TEST_CASE(an_unknown_kind_is_no_record) {
  BOOST_CHECK(!decode_record(0, encode(forgotten_record{"j"})));
  BOOST_CHECK(!decode_record(7, encode(forgotten_record{"j"})));
}

BOOST_AUTO_TEST_CASE(values_out_of_range_are_no_record) {
  auto done = encode(image_done_record{"j", 0, image_state::waiting, ""});
  BOOST_CHECK(!decode_record(static_cast<uint16_t>(record_kind::image_done), done));
  auto snapshot = some_snapshot();
  snapshot.state = static_cast<job_state>(9);
  BOOST_CHECK(!decode_record(static_cast<uint16_t>(record_kind::snapshot), encode(snapshot)));
  auto nameless = encode(forgotten_record{""});
  BOOST_CHECK(!decode_record(static_cast<uint16_t>(record_kind::forgotten), nameless));
}

BOOST_AUTO_TEST_CASE(what_came_later_is_read_back_with_and_without_the_rest) {
  auto read_back = [](const job_record& x) {
    auto got = decode_record(kind_of(x), bytes_of(x));
    BOOST_TEST_REQUIRE(got.has_value());
    BOOST_TEST((*got == x));
    BOOST_TEST(!decode_record(kind_of(x), bytes_of(x) + "x"));
  };
  for (const auto* target : {"", "bucket"}) {
    auto accepted = some_accepted();
    accepted.target = target;
    accepted.images[0].wanted = name_request{"/out", "sub", "a", ".png", collision_rule::fail, {}};
    read_back(accepted);
    accepted.images[1].wanted =
      name_request{"/out", "", "b", ".png", {}, counter_rule{3, "_final"}};
    read_back(accepted);
    auto snapshot = some_snapshot();
    snapshot.target = target;
    snapshot.images[1].renamed_from = "c.png";
    read_back(snapshot);
    snapshot.images[0].recorded->device = 12;
    snapshot.images[0].recorded->upload = "upload";
    read_back(snapshot);
  }
  publishing_record publishing{"j-1-1", 3, {"/out", "", "a.png", false}, ".t", some_identity()};
  publishing.identity.device = 5;
  read_back(publishing);
  publishing.renamed_from = "b.png";
  read_back(publishing);
}

BOOST_AUTO_TEST_CASE(an_addition_of_a_newer_version_is_passed_over) {
  publishing_record x{"j-1-1", 3, {"/out", "", "a.png", false}, ".t", some_identity()};
  auto bytes = encode(x) + '\x63' + std::string{"\3\0\0\0abc", 7};
  auto got = decode_record(static_cast<uint16_t>(record_kind::publishing), bytes);
  BOOST_TEST_REQUIRE(got.has_value());
  BOOST_TEST((std::get<publishing_record>(*got) == x));
}

BOOST_AUTO_TEST_CASE(details_of_an_accepted_job_come_back_with_and_without_a_target) {
  for (const auto* target : {"", "bucket"}) {
    auto x = some_accepted();
    x.target = target;
    x.images[1].detail = "{\"kind\":\"thumbnail\"}";
    auto got = decode_record(static_cast<uint16_t>(record_kind::accepted), encode(x));
    BOOST_TEST_REQUIRE(got.has_value());
    BOOST_TEST((std::get<accepted_record>(*got) == x));
  }
}

BOOST_AUTO_TEST_SUITE_END()
