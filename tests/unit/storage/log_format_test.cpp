#include <boost/test/unit_test.hpp>

#include <numeric>

#include "storage/log_format.hpp"

using namespace luna::storage;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span{text});
}

const std::vector<piece_entry> two_pieces{{100, 1}, {64, 2}};

record_header header_of(const std::string& front) {
  auto header = decode_header(bytes_of(front), 7, 4096);
  BOOST_REQUIRE(header);
  return *header;
}

} // namespace

BOOST_AUTO_TEST_SUITE(log_format_test)

BOOST_AUTO_TEST_CASE(the_checksum_is_castagnoli) {
  // RFC 3720, appendix B.4.
  BOOST_CHECK_EQUAL(crc32c(bytes_of("123456789")), 0xe3069283u);
  BOOST_CHECK_EQUAL(crc32c(std::vector<std::byte>(32)), 0x8a9136aau);
  BOOST_CHECK_EQUAL(crc32c({}), 0u);
}

BOOST_AUTO_TEST_CASE(a_checksum_goes_on_where_it_stopped) {
  BOOST_CHECK_EQUAL(crc32c(bytes_of("56789"), crc32c(bytes_of("1234"))), 0xe3069283u);
}

BOOST_AUTO_TEST_CASE(a_front_is_read_back_as_it_was_written) {
  auto front = encode_front(7, 4096, 3, "payload", two_pieces);
  BOOST_CHECK_EQUAL(front.size() % record_alignment, 0u);
  auto header = header_of(front);
  BOOST_CHECK_EQUAL(header.kind, 3);
  BOOST_CHECK_EQUAL(header.total_bytes, front.size() + 128 + 64);
  auto decoded = decode_front(bytes_of(front), header);
  BOOST_REQUIRE(decoded);
  BOOST_CHECK_EQUAL(decoded->payload, "payload");
  BOOST_CHECK(decoded->pieces == two_pieces);
}

BOOST_AUTO_TEST_CASE(a_header_is_valid_only_at_its_place_in_its_segment) {
  auto front = encode_front(7, 4096, 3, "payload", two_pieces);
  BOOST_CHECK(!decode_header(bytes_of(front), 8, 4096));
  BOOST_CHECK(!decode_header(bytes_of(front), 7, 4160));
  BOOST_CHECK(!decode_header(bytes_of(front).first(63), 7, 4096));
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_of_a_front_is_detected_but_in_the_padding) {
  auto front = encode_front(7, 4096, 3, "payload", two_pieces);
  auto used = header_bytes + 32 + 7;
  for (size_t i = 0; i < used * 8; ++i) {
    auto damaged = front;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << (i % 8)));
    auto header = decode_header(bytes_of(damaged), 7, 4096);
    BOOST_CHECK_MESSAGE(!header || !decode_front(bytes_of(damaged), *header),
                        "bit " << i << " may flip unseen");
  }
}

BOOST_AUTO_TEST_CASE(piece_lengths_that_do_not_fill_the_record_are_refused) {
  auto front = encode_front(7, 4096, 3, "payload", two_pieces);
  auto header = header_of(front);
  header.total_bytes += 64;
  BOOST_CHECK(!decode_front(bytes_of(front), header));
  header.total_bytes -= 128;
  BOOST_CHECK(!decode_front(bytes_of(front), header));
}

BOOST_AUTO_TEST_SUITE_END()
