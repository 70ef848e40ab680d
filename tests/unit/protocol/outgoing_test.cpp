#include <boost/test/unit_test.hpp>

#include <cstring>
#include <random>

#include "base/safetensors.hpp"
#include "peer.hpp"
#include "protocol/outgoing.hpp"

namespace luna::protocol {

namespace {

named_tensor tensor_of(std::string name, size_t bytes, char fill) {
  std::string data(bytes, fill);
  return {std::move(name),
          tensor_block::copy_of(dtype::u8, {static_cast<int64_t>(bytes)}, test::as_bytes(data))};
}

/// The bytes of a frame, put together.
std::string flat(const outgoing_frame& frame) {
  auto bytes = frame.front;
  for (auto& x : frame.tensors)
    bytes.append(reinterpret_cast<const char*>(x.bytes().data()), x.size_bytes());
  return bytes;
}

} // namespace

BOOST_AUTO_TEST_SUITE(outgoing_test)

BOOST_AUTO_TEST_CASE(a_reply_has_these_bytes) {
  auto x = tensor_of("x", 3, 'x');
  auto frame = reply_frame(258, "{}", {&x, 1});
  BOOST_REQUIRE(frame.has_value());
  auto body = write_safetensors({&x, 1});
  auto expected =
    std::string("LUNA\x01\x03\0\0\x02\x01\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x43\0\0\0\0\0\0\0"
                "{}",
                34);
  BOOST_TEST(body.size() == 0x43U);
  BOOST_TEST(flat(*frame) == expected + body);
  BOOST_TEST(frame->size == expected.size() + body.size());
}

BOOST_AUTO_TEST_CASE(a_reply_does_not_copy_its_tensors) {
  auto x = tensor_of("x", 1000, 'x');
  auto frame = reply_frame(1, "{}", {&x, 1});
  BOOST_TEST(frame->tensors.at(0).bytes().data() == x.tensor.bytes().data());
}

BOOST_AUTO_TEST_CASE(a_reply_without_tensors_has_no_body) {
  auto frame = reply_frame(1, "{\"a\":1}", {});
  BOOST_TEST(flat(*frame) == test::frame_bytes(frame_kind::reply, 1, "{\"a\":1}"));
}

BOOST_AUTO_TEST_CASE(a_reply_over_the_limits_is_refused_with_the_sizes) {
  auto x = tensor_of("x", 1000, 'x');
  auto body = write_safetensors({&x, 1}).size();
  BOOST_TEST(reply_frame(1, "{}", {&x, 1}, {.body_bytes = body}).has_value());
  auto large = reply_frame(1, "{}", {&x, 1}, {.body_bytes = body - 1});
  BOOST_REQUIRE(!large.has_value());
  BOOST_TEST((large.error().code == ec::bad_request));
  auto details = json::parse(large.error().details);
  BOOST_TEST(details["body_bytes"] == body);
  BOOST_TEST(details["max_body_bytes"] == body - 1);
  auto header = reply_frame(1, "{\"a\":1}", {}, {.header_bytes = 6});
  BOOST_REQUIRE(!header.has_value());
  BOOST_TEST(json::parse(header.error().details)["max_header_bytes"] == 6);
}

BOOST_AUTO_TEST_CASE(an_error_header_has_what_the_protocol_says) {
  BOOST_TEST(error_header({ec::bad_request, "no", 0, {}})
             == R"({"code":"bad_request","message":"no","retryable":false})");
  BOOST_TEST(error_header({ec::overloaded, "later", 250, R"({"queued":7})"})
             == R"({"code":"overloaded","message":"later","retryable":true,"retry_after_ms":250,)"
                R"("details":{"queued":7}})");
  BOOST_TEST(json::parse(error_header({ec::overloaded, "later", 0, {}}))["retry_after_ms"] == 500);
  BOOST_TEST(
    error_header({ec::unknown_model, "no \xff.png", 0, "not json"})
    == "{\"code\":\"unknown_model\",\"message\":\"no \xef\xbf\xbd.png\",\"retryable\":false}");
}

BOOST_AUTO_TEST_CASE(an_error_header_is_read_as_the_failure_that_it_was) {
  failure why{ec::unavailable, "beta is away", 1500, R"({"node":"beta"})"};
  BOOST_TEST((read_error_header(error_header(why)) == why));
  for (auto* text : {"", "[]", "{}", R"({"code":1,"message":"x"})", R"({"code":"bad_request"})"})
    BOOST_TEST((read_error_header(text).code == ec::internal), text);
  auto newer = read_error_header(R"({"code":"from_tomorrow","message":"x"})");
  BOOST_TEST((newer.code == ec::internal));
  BOOST_TEST(newer.message == "x");
}

BOOST_AUTO_TEST_CASE(bytes_leave_in_order_whatever_the_pieces) {
  std::mt19937 random{7};
  for (auto round = 0; round < 50; ++round) {
    output_queue queue;
    std::string expected;
    for (uint64_t id = 1; id <= 5; ++id) {
      std::vector<named_tensor> tensors;
      for (uint64_t i = 0; i < id % 4; ++i)
        tensors.push_back(tensor_of(std::to_string(i), random() % 50, static_cast<char>('a' + i)));
      auto frame = reply_frame(id, "{}", tensors);
      expected += flat(*frame);
      queue.push(std::move(*frame));
    }
    BOOST_TEST(queue.size_bytes() == expected.size());
    std::string left;
    std::vector<uint64_t> ids;
    while (!queue.empty()) {
      iovec pieces[3];
      std::string there;
      auto n = queue.gather(std::span{pieces}.first(1 + random() % 3));
      BOOST_REQUIRE(n > 0U);
      for (size_t i = 0; i < n; ++i) {
        BOOST_TEST(pieces[i].iov_len > 0U);
        there.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
      }
      auto next = queue.next();
      BOOST_TEST(next.data() == static_cast<const std::byte*>(pieces[0].iov_base));
      auto taken = 1 + random() % there.size();
      left += there.substr(0, taken);
      queue.consume(taken, [&](auto& frame) { ids.push_back(frame.id); });
      BOOST_TEST(queue.sent_bytes() == left.size());
    }
    BOOST_TEST(left == expected);
    BOOST_TEST((ids == std::vector<uint64_t>{1, 2, 3, 4, 5}));
    BOOST_TEST(queue.size_bytes() == 0U);
    BOOST_TEST(queue.next().empty());
  }
}

BOOST_AUTO_TEST_CASE(errors_and_events_are_counted_apart) {
  output_queue queue;
  auto x = tensor_of("x", 1000, 'x');
  queue.push(*reply_frame(1, "{}", {&x, 1}));
  BOOST_TEST(queue.notice_bytes() == 0U);
  auto error = error_frame(2, {ec::internal, "x", 0, {}});
  auto event = header_frame(frame_kind::event, 0, "{}");
  auto expected = error.size + event.size;
  queue.push(std::move(error));
  queue.push(std::move(event));
  BOOST_TEST(queue.notice_bytes() == expected);
  queue.consume(queue.size_bytes(), [](auto&) {});
  BOOST_TEST(queue.notice_bytes() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::protocol
