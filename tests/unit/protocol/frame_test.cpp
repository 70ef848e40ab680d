#include <boost/test/unit_test.hpp>

#include <cstring>
#include <string>

#include "peer.hpp"
#include "protocol/frame.hpp"

namespace luna::protocol {

namespace {

frame_head decoded(const std::string& bytes) {
  return decode(test::as_bytes(bytes).first<head_size>());
}

/// What is wrong with a head; empty if nothing is.
std::string problem_of(const std::string& bytes, const frame_limits& limits = {}) {
  auto ok = check(decoded(bytes), limits);
  if (ok)
    return "";
  BOOST_TEST((ok.error().code == ec::bad_frame));
  return ok.error().message;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace

BOOST_AUTO_TEST_SUITE(frame_test)

BOOST_AUTO_TEST_CASE(a_head_has_these_bytes) {
  frame_head head;
  head.kind = frame_kind::reply;
  head.id = 0x0807060504030201;
  head.header_bytes = 0x0c0b0a09;
  head.body_bytes = 0x1817161514131211;
  constexpr unsigned char golden[head_size] = {
    'L',  'U',  'N',  'A',  1, 3, 0, 0, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
    0x09, 0x0a, 0x0b, 0x0c, 0, 0, 0, 0, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18};
  auto bytes = encode(head);
  BOOST_TEST(std::memcmp(bytes.data(), golden, head_size) == 0);
  BOOST_TEST((decode(bytes) == head));
}

BOOST_AUTO_TEST_CASE(every_field_of_a_head_is_read_from_its_place) {
  auto head = decoded(test::head_bytes(6, 7, 8, 9, 2, 0x0304, 5));
  BOOST_TEST(head.magic == magic_number);
  BOOST_TEST(head.version == 2);
  BOOST_TEST((head.kind == frame_kind::cancel));
  BOOST_TEST(head.flags == 0x0304);
  BOOST_TEST(head.id == 7U);
  BOOST_TEST(head.header_bytes == 8U);
  BOOST_TEST(head.reserved == 5U);
  BOOST_TEST(head.body_bytes == 9U);
}

BOOST_AUTO_TEST_CASE(the_kinds_are_one_to_six) {
  for (uint8_t kind = 1; kind <= 6; ++kind)
    BOOST_TEST(problem_of(test::head_bytes(kind, 1, 2, 0)) == "");
  for (auto kind : {0, 7, 8, 128, 255})
    BOOST_TEST(contains(problem_of(test::head_bytes(static_cast<uint8_t>(kind), 1, 2, 0)),
                        "frame kind " + std::to_string(kind)));
}

BOOST_AUTO_TEST_CASE(a_wrong_magic_is_refused) {
  auto bytes = test::head_bytes(2, 5, 2, 0);
  for (size_t i = 0; i < 4; ++i) {
    auto wrong = bytes;
    wrong[i] ^= 0x20;
    BOOST_TEST(contains(problem_of(wrong), "LUNA"));
  }
  BOOST_TEST(problem_of("GET / HTTP/1.1\r\nHost: localhost\r\n") != "");
}

BOOST_AUTO_TEST_CASE(a_version_other_than_one_is_refused) {
  BOOST_TEST(contains(problem_of(test::head_bytes(2, 1, 2, 0, 0)), "version 0"));
  BOOST_TEST(contains(problem_of(test::head_bytes(2, 1, 2, 0, 2)), "version 2"));
}

BOOST_AUTO_TEST_CASE(each_unknown_flag_is_refused) {
  for (auto bit = 0; bit < 16; ++bit)
    BOOST_TEST(contains(
      problem_of(test::head_bytes(2, 1, 2, 0, 1, static_cast<uint16_t>(1 << bit))), "flags"));
}

BOOST_AUTO_TEST_CASE(a_reserved_field_that_is_not_zero_is_refused) {
  BOOST_TEST(contains(problem_of(test::head_bytes(2, 1, 2, 0, 1, 0, 1)), "reserved"));
  BOOST_TEST(contains(problem_of(test::head_bytes(2, 1, 2, 0, 1, 0, 0x80000000)), "reserved"));
}

BOOST_AUTO_TEST_CASE(lengths_are_checked_against_the_limits) {
  constexpr uint64_t mebibyte = 1 << 20;
  BOOST_TEST(problem_of(test::head_bytes(2, 1, 16 * mebibyte, 1024 * mebibyte)) == "");
  BOOST_TEST(contains(problem_of(test::head_bytes(2, 1, 16 * mebibyte + 1, 0)), "header of"));
  BOOST_TEST(contains(problem_of(test::head_bytes(2, 1, 0, 1024 * mebibyte + 1)), "body of"));
  BOOST_TEST(contains(problem_of(test::head_bytes(2, 1, 0xffffffff, 0)), "header of"));
  BOOST_TEST(contains(problem_of(test::head_bytes(2, 1, 0, ~uint64_t{0})), "body of"));
  BOOST_TEST(
    contains(problem_of(test::head_bytes(2, 1, 2, 11), {.body_bytes = 10}), "limit of 10"));
}

BOOST_AUTO_TEST_CASE(an_answer_has_the_id_as_read_unless_the_bytes_are_no_frame) {
  BOOST_TEST(answer_id(decoded(test::head_bytes(9, 77, 2, 0))) == 77U);
  BOOST_TEST(answer_id(decoded("GET / HTTP/1.1\r\nHost: localhost\r\n")) == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::protocol
