#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>
#include <unistd.h>

#include "base/safetensors.hpp"
#include "peer.hpp"
#include "protocol/body.hpp"

namespace luna::protocol {

namespace {

constexpr uint64_t mebibyte = 1 << 20;

std::string pattern(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i)
    text[i] = static_cast<char>(i * 7 + i / 251);
  return text;
}

/// Memory of this process that is really there.
uint64_t resident_bytes() {
  uint64_t all = 0;
  uint64_t resident = 0;
  std::ifstream{"/proc/self/statm"} >> all >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

} // namespace

BOOST_AUTO_TEST_SUITE(body_test)

BOOST_AUTO_TEST_CASE(bytes_that_come_in_pieces_end_up_contiguous) {
  auto budget = byte_budget::make(64 * mebibyte);
  for (size_t size : {size_t{1}, size_t{1000}, size_t{body_buffer::step},
                      size_t{body_buffer::step + 1}, size_t{3 * mebibyte + 5}}) {
    auto bytes = pattern(size);
    auto buffer = body_buffer::make(size, budget);
    BOOST_REQUIRE(buffer.has_value());
    for (size_t at = 0; at < size; at += 100001)
      BOOST_REQUIRE(
        buffer->append(test::as_bytes(bytes).subspan(at, std::min<size_t>(100001, size - at))));
    BOOST_TEST(buffer->complete());
    auto body = std::move(*buffer).finish();
    BOOST_REQUIRE(body.bytes.size() == size);
    BOOST_TEST(std::memcmp(body.bytes.data(), bytes.data(), size) == 0);
    BOOST_TEST(budget->used() == size);
  }
  BOOST_TEST(budget->used() == 0U);
}

BOOST_AUTO_TEST_CASE(a_length_that_is_only_announced_costs_nothing) {
  auto budget = byte_budget::make(2 * mebibyte);
  auto buffer = body_buffer::make(1024 * mebibyte, budget);
  BOOST_REQUIRE(buffer.has_value());
  BOOST_TEST(budget->used() == 0U);
  auto byte = std::byte{1};
  BOOST_TEST(buffer->append({&byte, 1}));
  BOOST_TEST(budget->used() <= body_buffer::step);
}

BOOST_AUTO_TEST_CASE(large_bodies_that_do_not_come_take_no_pages) {
  auto budget = byte_budget::make(1024 * mebibyte);
  std::vector<body_buffer> buffers;
  auto before = resident_bytes();
  for (uint64_t size : {32 * mebibyte, 64 * mebibyte})
    for (auto i = 0; i < 10; ++i) {
      auto byte = std::byte{1};
      buffers.push_back(std::move(*body_buffer::make(size, budget)));
      BOOST_REQUIRE(buffers.back().append({&byte, 1}));
    }
  // 960 MiB are announced; the address sanitizer marks one byte in eight of those on the heap.
  BOOST_TEST(resident_bytes() < before + 200 * mebibyte);
}

BOOST_AUTO_TEST_CASE(the_budget_is_taken_as_bytes_come_and_never_more_than_the_size) {
  auto budget = byte_budget::make(64 * mebibyte);
  auto size = 2 * mebibyte + 10;
  auto buffer = body_buffer::make(size, budget);
  auto piece = pattern(10000);
  while (!buffer->complete()) {
    auto n = std::min<uint64_t>(piece.size(), size - buffer->filled());
    BOOST_REQUIRE(buffer->append(test::as_bytes(piece).first(n)));
    BOOST_TEST(budget->used() >= buffer->filled());
    BOOST_TEST(budget->used() <= std::min(size, buffer->filled() + body_buffer::step));
  }
}

BOOST_AUTO_TEST_CASE(an_exhausted_budget_changes_nothing) {
  auto budget = byte_budget::make(mebibyte);
  auto others = budget->try_take(mebibyte - body_buffer::step);
  auto buffer = body_buffer::make(mebibyte, budget);
  auto piece = pattern(body_buffer::step);
  BOOST_TEST(buffer->append(test::as_bytes(piece)));
  BOOST_TEST(!buffer->append(test::as_bytes(piece).first(1)));
  BOOST_TEST(buffer->filled() == body_buffer::step);
  others->release();
  BOOST_TEST(buffer->append(test::as_bytes(piece).first(1)));
}

BOOST_AUTO_TEST_CASE(a_tensor_keeps_the_memory_and_its_share_until_it_goes) {
  auto budget = byte_budget::make(64 * mebibyte);
  auto data = pattern(mebibyte);
  named_tensor x{"pixels", tensor_block::copy_of(dtype::f32, {512, 512}, test::as_bytes(data))};
  auto bytes = write_safetensors({&x, 1});
  auto buffer = body_buffer::make(bytes.size(), budget);
  BOOST_REQUIRE(buffer->append(test::as_bytes(bytes)));
  auto body = std::move(*buffer).finish();
  auto tensors = read_body(body);
  BOOST_REQUIRE(tensors.has_value());
  body = {};
  auto pixels = require_tensor(*tensors, "pixels").value();
  tensors->clear();
  BOOST_TEST(budget->used() == bytes.size());
  BOOST_TEST(std::memcmp(pixels.bytes().data(), data.data(), data.size()) == 0);
  pixels = {};
  BOOST_TEST(budget->used() == 0U);
}

BOOST_AUTO_TEST_CASE(a_body_that_is_no_safetensors_buffer_is_a_bad_request) {
  auto garbage = pattern(100);
  auto tensors = read_body({nullptr, test::as_bytes(garbage)});
  BOOST_REQUIRE(!tensors.has_value());
  BOOST_TEST((tensors.error().code == ec::bad_request));
  BOOST_TEST(read_body({}).value().empty());
}

BOOST_AUTO_TEST_CASE(a_missing_tensor_is_named_with_what_is_there) {
  std::vector<named_tensor> tensors{{"image", {}}, {"mask", {}}};
  auto absent = require_tensor(tensors, "pixels");
  BOOST_REQUIRE(!absent.has_value());
  BOOST_TEST((absent.error().code == ec::bad_request));
  BOOST_TEST(absent.error().message
             == "the body must hold a tensor 'pixels'; it holds 'image', 'mask'");
  BOOST_TEST(require_tensor({}, "pixels").error().message
             == "the body must hold a tensor 'pixels'; it holds none");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::protocol
