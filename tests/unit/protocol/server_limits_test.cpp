#include <boost/test/unit_test.hpp>

#include <algorithm>

#include "base/safetensors.hpp"
#include "peer.hpp"

// Bounds and back-pressure: what is refused, what stays, and what memory it costs.

namespace luna::protocol {

namespace {

constexpr uint64_t mebibyte = 1 << 20;

size_t requests_in(const std::vector<connection_event>& events) {
  return static_cast<size_t>(std::count_if(events.begin(), events.end(), [](auto& x) {
    return std::holds_alternative<request_received>(x);
  }));
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(server_limits_test, test::fixture)

BOOST_AUTO_TEST_CASE(a_request_over_the_bound_is_overloaded_alone_and_its_body_is_dropped) {
  config.max_in_flight = 2;
  open();
  auto body = std::string(300000, 'b');
  auto events = events_of(test::request_bytes(1) + test::request_bytes(2)
                          + test::request_bytes(3, R"({"cmd":"x"})", body)
                          + test::frame_bytes(frame_kind::cancel, 1, "{}"));
  BOOST_REQUIRE(events.size() == 3U);
  BOOST_TEST(std::get<cancel_received>(events[2]).id == 1U);
  auto frames = test::drain_frames(*server);
  BOOST_TEST(test::error_code_in(frames) == "overloaded");
  BOOST_TEST(frames.at(0).id == 3U);
  BOOST_TEST(frames.at(0).header["retryable"] == true);
  BOOST_TEST(frames.at(0).header["retry_after_ms"].get<int>() > 0);
  BOOST_TEST(budget->used() == 0U);
  BOOST_TEST(server->reply(1, "{}").value());
  test::drain(*server);
  BOOST_TEST(requests_in(events_of(test::request_bytes(3))) == 1U);
}

BOOST_AUTO_TEST_CASE(a_reply_that_has_not_left_still_counts) {
  config.max_in_flight = 1;
  open();
  feed(test::request_bytes(1));
  BOOST_TEST(server->reply(1, "{}").value());
  BOOST_TEST(server->in_flight() == 1U);
  feed(test::request_bytes(2));
  auto frames = test::drain_frames(*server);
  BOOST_REQUIRE(frames.size() == 2U);
  BOOST_TEST(frames[1].header["code"] == "overloaded");
  BOOST_TEST(server->in_flight() == 0U);
}

BOOST_AUTO_TEST_CASE(requests_that_only_wait_do_not_count_up_to_their_own_bound) {
  config.max_in_flight = 1;
  config.max_waiting = 2;
  open();
  for (uint64_t id : {1, 2}) {
    BOOST_TEST(requests_in(events_of(test::request_bytes(id))) == 1U);
    BOOST_TEST(server->does_not_count(id));
    BOOST_TEST(!server->does_not_count(id));
    BOOST_TEST(server->in_flight() == 0U);
  }
  BOOST_TEST(requests_in(events_of(test::request_bytes(3))) == 1U);
  BOOST_TEST(!server->does_not_count(3));
  BOOST_TEST(!server->does_not_count(77));
  BOOST_TEST(server->in_flight() == 1U);
  BOOST_TEST(server->reply(1, "{}").value());
  test::drain(*server);
  BOOST_TEST(server->in_flight() == 1U);
  BOOST_TEST(server->does_not_count(3));
  BOOST_TEST(server->in_flight() == 0U);
}

BOOST_AUTO_TEST_CASE(many_job_waits_in_one_packet_leave_room_for_other_requests) {
  config.max_in_flight = 2;
  config.max_waiting = 10;
  config.waiting_commands = {"job_wait"};
  open();
  std::string packet;
  for (uint64_t id = 1; id <= 10; ++id)
    packet += test::request_bytes(id, R"({"cmd":"job_wait","job_id":"x","timeout_ms":1000})");
  BOOST_TEST(requests_in(events_of(packet)) == 10U);
  BOOST_TEST(server->in_flight() == 0U);
  // Past their own bound they count like any other.
  auto more = test::request_bytes(11, R"({"cmd":"job_wait"})") + test::request_bytes(12)
            + test::request_bytes(13);
  BOOST_TEST(requests_in(events_of(more)) == 2U);
  BOOST_TEST(test::error_code_in(test::drain_frames(*server)) == "overloaded");
}

BOOST_AUTO_TEST_CASE(a_hostile_length_costs_no_memory_until_bytes_arrive) {
  open();
  feed(test::head_bytes(2, 1, 2, uint64_t{1} << 30) + "{}");
  BOOST_TEST(budget->used() == 0U);
  feed("x");
  BOOST_TEST(budget->used() <= body_buffer::step);
  open();
  feed(test::head_bytes(2, 1, 16 << 20, uint64_t{1} << 30));
  BOOST_TEST(budget->used() == 0U);
  feed("{");
  BOOST_TEST(budget->used() <= 64 * 1024U);
}

BOOST_AUTO_TEST_CASE(a_connection_that_ends_gives_its_memory_back) {
  open();
  feed(test::head_bytes(2, 1, 2, 10 * mebibyte) + "{}" + std::string(mebibyte, 'x'));
  BOOST_TEST(budget->used() >= mebibyte);
  server->close({ec::timeout, "x", 0, {}});
  BOOST_TEST(budget->used() == 0U);
  open();
  feed(test::head_bytes(2, 1, 10 * mebibyte, 0) + std::string(mebibyte, 'x'));
  BOOST_TEST(budget->used() >= mebibyte);
  server.reset();
  BOOST_TEST(budget->used() == 0U);
}

BOOST_AUTO_TEST_CASE(a_body_that_exhausts_the_buffers_is_refused_and_the_connection_stays) {
  budget = config.buffers = byte_budget::make(2 * mebibyte);
  open();
  auto others = *budget->try_take(mebibyte);
  feed(test::head_bytes(2, 1, 2, 3 * mebibyte) + "{}" + std::string(mebibyte, 'x'));
  BOOST_TEST(budget->used() == 2 * mebibyte);
  feed("x");
  auto frames = test::drain_frames(*server);
  BOOST_TEST(test::error_code_in(frames) == "overloaded");
  BOOST_TEST(frames.at(0).header["retry_after_ms"].get<int>() > 0);
  BOOST_TEST(budget->used() == mebibyte);
  BOOST_TEST(server->mid_frame());
  auto events = events_of(std::string(2 * mebibyte - 1, 'x') + test::request_bytes(2));
  BOOST_TEST(requests_in(events) == 1U);
  BOOST_TEST(budget->used() == mebibyte);
}

BOOST_AUTO_TEST_CASE(a_large_header_takes_from_the_buffers_and_gives_back) {
  budget = config.buffers = byte_budget::make(mebibyte);
  open();
  auto header = R"({"cmd":"ping","data":")" + std::string(200000, 'x') + "\"}";
  {
    auto events = events_of(test::request_bytes(1, header));
    BOOST_TEST(requests_in(events) == 1U);
    BOOST_TEST(budget->used() == header.size());
  }
  BOOST_TEST(budget->used() == 0U);
  auto larger = R"({"cmd":"ping","data":")" + std::string(2 * mebibyte, 'x') + "\"}";
  auto events = events_of(test::request_bytes(2, larger, "body") + test::request_bytes(3));
  BOOST_TEST(requests_in(events) == 1U);
  auto frames = test::drain_frames(*server);
  BOOST_TEST(test::error_code_in(frames) == "overloaded");
  BOOST_TEST(frames.at(0).id == 2U);
  BOOST_TEST(budget->used() == 0U);
}

BOOST_AUTO_TEST_CASE(a_small_header_takes_nothing_even_when_the_buffers_are_exhausted) {
  budget = config.buffers = byte_budget::make(mebibyte);
  auto others = *budget->try_take(mebibyte);
  open();
  BOOST_TEST(requests_in(events_of(test::request_bytes(1))) == 1U);
  BOOST_TEST(server->reply(1, "{}").value());
}

BOOST_AUTO_TEST_CASE(a_reply_over_the_limits_is_refused_and_its_request_still_waits) {
  config.limits.body_bytes = 1000;
  open();
  feed(test::request_bytes(1));
  std::string data(2000, 'x');
  named_tensor x{"x", tensor_block::copy_of(dtype::u8, {2000}, test::as_bytes(data))};
  auto replied = server->reply(1, "{}", {&x, 1});
  BOOST_REQUIRE(!replied.has_value());
  BOOST_TEST((replied.error().code == ec::bad_request));
  BOOST_TEST(json::parse(replied.error().details)["max_body_bytes"] == 1000);
  BOOST_TEST(test::drain(*server).empty());
  BOOST_TEST(server->refuse(1, replied.error()));
  BOOST_TEST(test::error_code_in(test::drain_frames(*server)) == "bad_request");
}

BOOST_AUTO_TEST_CASE(replies_take_from_the_buffers_until_they_have_left) {
  budget = config.buffers = byte_budget::make(3 * mebibyte);
  open();
  feed(test::request_bytes(1) + test::request_bytes(2));
  std::string data(2 * mebibyte, 'x');
  named_tensor x{"x", tensor_block::copy_of(dtype::u8, {2 * mebibyte}, test::as_bytes(data))};
  BOOST_TEST(server->reply(1, "{}", {&x, 1}).value());
  BOOST_TEST(budget->used() > 2 * mebibyte);
  auto second = server->reply(2, "{}", {&x, 1});
  BOOST_REQUIRE(!second.has_value());
  BOOST_TEST((second.error().code == ec::overloaded));
  auto size = server->output().size_bytes();
  server->sent(size - 1);
  BOOST_TEST(budget->used() > 2 * mebibyte);
  server->sent(1);
  BOOST_TEST(budget->used() == 0U);
  BOOST_TEST(server->reply(2, "{}", {&x, 1}).value());
}

BOOST_AUTO_TEST_CASE(a_client_that_does_not_read_errors_is_not_read) {
  config.max_in_flight = 1;
  open();
  feed(test::request_bytes(1));
  uint64_t fed = 0;
  while (server->wants_input()) {
    BOOST_REQUIRE(fed < 200000U);
    feed(test::request_bytes(2));
    ++fed;
  }
  BOOST_TEST(server->output().notice_bytes() < 4 * mebibyte);
  test::drain(*server);
  BOOST_TEST(server->wants_input());
}

BOOST_AUTO_TEST_CASE(a_client_may_write_its_next_request_before_it_reads_its_reply) {
  open();
  feed(test::request_bytes(1));
  std::string data(16 * mebibyte, 'x');
  named_tensor x{"x", tensor_block::copy_of(dtype::u8, {16 * mebibyte}, test::as_bytes(data))};
  BOOST_TEST(server->reply(1, "{}", {&x, 1}).value());
  BOOST_TEST(server->wants_input());
}

BOOST_AUTO_TEST_CASE(events_that_had_to_be_dropped_are_told) {
  config.max_event_bytes = 1000;
  open();
  auto header =
    R"({"event":"job","pad":")" + std::string(44, 'x') + "\"}"; // 100 bytes with the head
  BOOST_REQUIRE(header.size() + head_size == 100U);
  auto queued = 0;
  for (auto i = 0; i < 15; ++i)
    queued += server->event(0, header) ? 1 : 0;
  BOOST_TEST(queued == 10);
  // Room for one is not enough to go on: the gap would only be told again and again.
  server->sent(100);
  BOOST_TEST(!server->event(0, header));
  auto frames = test::drain_frames(*server);
  BOOST_REQUIRE(frames.size() == 10U);
  BOOST_TEST((frames.back().kind == frame_kind::event));
  BOOST_TEST(frames.back().id == 0U);
  BOOST_TEST(frames.back().header.dump() == R"({"event":"lost","n":6})");
  BOOST_TEST(server->event(0, header));
  BOOST_TEST(test::drain_frames(*server).size() == 1U);
}

BOOST_AUTO_TEST_CASE(reading_goes_in_large_pieces_in_the_middle_of_a_body_only) {
  open();
  BOOST_TEST(server->next_read_size() == 64U * 1024);
  feed(test::head_bytes(2, 1, 2, 10 * mebibyte));
  BOOST_TEST(server->next_read_size() == 64U * 1024);
  feed("{}");
  BOOST_TEST(server->next_read_size() == mebibyte);
  feed(std::string(9 * mebibyte + mebibyte / 2, 'x'));
  BOOST_TEST(server->next_read_size() == mebibyte / 2);
  feed(std::string(mebibyte / 2 - 10, 'x'));
  BOOST_TEST(server->next_read_size() == 64U * 1024);
}

BOOST_AUTO_TEST_CASE(the_caller_can_see_whether_a_frame_makes_progress) {
  open();
  auto before = server->received_bytes();
  BOOST_TEST(!server->mid_frame());
  auto bytes = test::request_bytes(1, "{}", "body");
  for (size_t i = 0; i < bytes.size(); ++i) {
    feed(bytes.substr(i, 1));
    BOOST_TEST(server->received_bytes() == before + i + 1);
    BOOST_TEST(server->mid_frame() == (i + 1 < bytes.size()));
  }
  feed("L");
  BOOST_TEST(server->mid_frame());
  server->timed_out(server_connection::timer::frame);
  BOOST_TEST(test::error_code_in(test::drain_frames(*server)) == "timeout");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::protocol
