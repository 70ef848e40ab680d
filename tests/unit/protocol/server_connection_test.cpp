#include <boost/test/unit_test.hpp>

#include "base/safetensors.hpp"
#include "peer.hpp"
#include "protocol/server_connection.hpp"

// Requests, answers, cancel and what breaks the protocol: sections 1 and 3 of docs/protocol.md.

namespace luna::protocol {

namespace {

named_tensor tensor_of(std::string name, size_t bytes, char fill = 'x') {
  std::string data(bytes, fill);
  return {std::move(name),
          tensor_block::copy_of(dtype::u8, {static_cast<int64_t>(bytes)}, test::as_bytes(data))};
}

const request_received& request_in(const std::vector<connection_event>& events) {
  BOOST_REQUIRE(events.size() == 1U);
  return std::get<request_received>(events[0]);
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(server_connection_test, test::fixture)

BOOST_AUTO_TEST_CASE(a_request_is_given_out_with_its_header_and_body) {
  open();
  auto x = tensor_of("pixels", 100);
  auto events =
    events_of(test::request_bytes(7, R"({"cmd":"vae_encode","n":1})", write_safetensors({&x, 1})));
  auto& request = request_in(events);
  BOOST_TEST(request.id == 7U);
  BOOST_TEST(request.header.dump() == R"({"cmd":"vae_encode","n":1})");
  BOOST_TEST(request.raw_header.empty());
  auto tensors = read_body(request.body);
  BOOST_REQUIRE(tensors.has_value());
  BOOST_TEST(tensors->at(0).name == "pixels");
  BOOST_TEST(server->in_flight() == 1U);
}

BOOST_AUTO_TEST_CASE(replies_come_in_any_order) {
  open();
  feed(test::request_bytes(1) + test::request_bytes(2) + test::request_bytes(3));
  for (uint64_t id : {3, 1, 2})
    BOOST_TEST(server->reply(id, R"({"n":)" + std::to_string(id) + "}").value());
  auto frames = test::drain_frames(*server);
  BOOST_REQUIRE(frames.size() == 3U);
  BOOST_TEST(frames[0].id == 3U);
  BOOST_TEST((frames[0].kind == frame_kind::reply));
  BOOST_TEST(frames[0].header["n"] == 3);
  BOOST_TEST(frames[1].id == 1U);
  BOOST_TEST(frames[2].id == 2U);
  BOOST_TEST(server->in_flight() == 0U);
}

BOOST_AUTO_TEST_CASE(a_reply_carries_tensors) {
  open();
  feed(test::request_bytes(1));
  std::vector<named_tensor> tensors{tensor_of("images", 1000, 'a'), tensor_of("mask", 10, 'b')};
  BOOST_TEST(server->reply(1, "{}", tensors).value());
  auto frames = test::drain_frames(*server);
  BOOST_TEST(frames.at(0).body == write_safetensors(tensors));
}

BOOST_AUTO_TEST_CASE(a_request_is_answered_once) {
  open();
  feed(test::request_bytes(1));
  BOOST_TEST(server->reply(1, "{}").value());
  BOOST_TEST(!server->reply(1, "{}").value());
  BOOST_TEST(!server->refuse(1, {ec::internal, "x", 0, {}}));
  BOOST_TEST(!server->event(1, "{}"));
  BOOST_TEST(!server->reply(2, "{}").value());
  BOOST_TEST(test::drain_frames(*server).size() == 1U);
}

BOOST_AUTO_TEST_CASE(an_error_answers_a_request) {
  open();
  feed(test::request_bytes(5));
  BOOST_TEST(server->refuse(5, {ec::unknown_model, "there is no model 'x'", 0, {}}));
  auto frames = test::drain_frames(*server);
  BOOST_TEST(test::error_code_in(frames) == "unknown_model");
  BOOST_TEST(frames.at(0).id == 5U);
  BOOST_TEST(!server->closed());
  BOOST_TEST(server->in_flight() == 0U);
}

BOOST_AUTO_TEST_CASE(an_id_may_be_used_again_when_its_answer_has_left) {
  open();
  feed(test::request_bytes(1));
  BOOST_TEST(server->reply(1, "{}").value());
  test::drain(*server);
  test::drain_events(*server);
  auto events = events_of(test::request_bytes(1));
  BOOST_TEST(request_in(events).id == 1U);
}

BOOST_AUTO_TEST_CASE(an_id_in_use_is_a_duplicate_told_with_id_0_and_closes) {
  for (auto answered : {false, true}) {
    open();
    feed(test::request_bytes(1) + test::request_bytes(42));
    test::drain_events(*server);
    if (answered)
      BOOST_TEST(server->reply(42, "{}").value()); // queued, not sent
    auto events = events_of(test::request_bytes(42));
    BOOST_TEST(test::closed_code(events) == "duplicate_request_id");
    auto frames = test::drain_frames(*server);
    auto& error = frames.back();
    BOOST_TEST((error.kind == frame_kind::error));
    BOOST_TEST(error.id == 0U);
    BOOST_TEST(error.header["code"] == "duplicate_request_id");
    BOOST_TEST(error.header["details"]["id"] == 42);
    BOOST_TEST(server->closed());
  }
}

BOOST_AUTO_TEST_CASE(the_id_0_is_no_requests) {
  open();
  BOOST_TEST(test::closed_code(events_of(test::request_bytes(0))) == "bad_frame");
}

BOOST_AUTO_TEST_CASE(wrong_heads_are_answered_with_the_id_as_read_and_close) {
  constexpr uint64_t gibibyte = uint64_t{1} << 30;
  for (auto& head :
       {test::head_bytes(2, 9, 2, 0, 3), test::head_bytes(2, 9, 2, 0, 1, 1),
        test::head_bytes(2, 9, 2, 0, 1, 0, 1), test::head_bytes(7, 9, 2, 0),
        test::head_bytes(2, 9, (16 << 20) + 1, 0), test::head_bytes(2, 9, 2, gibibyte + 1)}) {
    open();
    BOOST_TEST(test::closed_code(events_of(head)) == "bad_frame");
    auto frames = test::drain_frames(*server);
    BOOST_TEST(test::error_code_in(frames) == "bad_frame");
    BOOST_TEST(frames.at(0).id == 9U);
    BOOST_TEST(budget->used() == 0U);
  }
}

BOOST_AUTO_TEST_CASE(frames_that_only_a_server_sends_are_bad_frames) {
  for (auto kind : {frame_kind::reply, frame_kind::error, frame_kind::event}) {
    open();
    BOOST_TEST(test::closed_code(events_of(test::frame_bytes(kind, 1, "{}"))) == "bad_frame");
  }
}

BOOST_AUTO_TEST_CASE(a_header_that_is_no_object_is_a_bad_frame_before_its_body_comes) {
  for (auto* header : {"[]", "1", "", "{", "\"x\""}) {
    open();
    auto bytes = test::head_bytes(2, 3, std::string_view{header}.size(), 1 << 20) + header;
    BOOST_TEST(test::closed_code(events_of(bytes)) == "bad_frame", header);
    BOOST_TEST(test::drain_frames(*server).at(0).id == 3U);
  }
  open();
  auto deep = "{\"x\":" + std::string(64, '[') + std::string(64, ']') + "}";
  BOOST_TEST(test::closed_code(events_of(test::request_bytes(1, deep))) == "bad_frame");
}

BOOST_AUTO_TEST_CASE(nan_and_lone_surrogates_fail_their_request_and_the_connection_stays) {
  open();
  for (auto* header : {R"({"cmd":"ping","data":NaN})", R"({"cmd":"ping","data":"\ud800"})"}) {
    auto events =
      events_of(test::request_bytes(1, header, std::string(5000, 'b')) + test::request_bytes(2));
    BOOST_TEST(request_in(events).id == 2U);
    BOOST_TEST(server->reply(2, "{}").value());
    auto frames = test::drain_frames(*server);
    BOOST_REQUIRE(frames.size() == 2U);
    BOOST_TEST(frames[0].id == 1U);
    BOOST_TEST(frames[0].header["code"] == "bad_request");
    BOOST_TEST(frames[1].id == 2U);
    BOOST_TEST(budget->used() == 0U);
  }
}

BOOST_AUTO_TEST_CASE(a_large_header_is_handed_on_to_be_parsed_elsewhere) {
  open();
  auto small = R"({"cmd":"ping","data":")" + std::string(65536 - 24, 'x') + "\"}";
  BOOST_REQUIRE(small.size() == 65536U);
  auto with_small = events_of(test::request_bytes(1, small));
  BOOST_TEST(request_in(with_small).raw_header.empty());
  auto large = R"({"cmd":"ping","data":")" + std::string(65536 - 23, 'x') + "\"}";
  auto with_large = events_of(test::request_bytes(2, large, "body"));
  auto& request = request_in(with_large);
  BOOST_TEST(request.header.is_null());
  BOOST_TEST(request.raw_header == large);
  BOOST_TEST(request.body.bytes.size() == 4U);
}

BOOST_AUTO_TEST_CASE(a_bad_frame_that_is_found_elsewhere_closes_late) {
  open();
  auto events = events_of(test::request_bytes(2, std::string(70000, '[')) + test::request_bytes(3));
  BOOST_REQUIRE(events.size() == 2U);
  auto parsed = parse_header(std::get<request_received>(events[0]).raw_header);
  BOOST_REQUIRE(!parsed.has_value());
  server->fail_frame(2, parsed.error());
  auto frames = test::drain_frames(*server);
  BOOST_TEST(test::error_code_in(frames) == "bad_frame");
  BOOST_TEST(frames.at(0).id == 2U);
  BOOST_TEST(test::closed_code(test::drain_events(*server)) == "bad_frame");
  BOOST_TEST(!server->reply(3, "{}").value());
}

BOOST_AUTO_TEST_CASE(cancel_names_a_request_that_waits) {
  open();
  feed(test::request_bytes(1) + test::request_bytes(2));
  test::drain_events(*server);
  auto events = events_of(test::frame_bytes(frame_kind::cancel, 2, "{}"));
  BOOST_REQUIRE(events.size() == 1U);
  BOOST_TEST(std::get<cancel_received>(events[0]).id == 2U);
  BOOST_TEST(server->refuse(2, {ec::cancelled, "cancelled by the client", 0, {}}));
  BOOST_TEST(test::error_code_in(test::drain_frames(*server)) == "cancelled");
}

BOOST_AUTO_TEST_CASE(cancel_of_an_unknown_or_answered_request_is_ignored) {
  open();
  feed(test::request_bytes(1));
  test::drain_events(*server);
  BOOST_TEST(server->reply(1, "{}").value());
  for (uint64_t id : {uint64_t{0}, uint64_t{1}, uint64_t{99}, ~uint64_t{0}})
    BOOST_TEST(events_of(test::frame_bytes(frame_kind::cancel, id, "{}")).empty());
  test::drain(*server);
  BOOST_TEST(events_of(test::frame_bytes(frame_kind::cancel, 1, "{}")).empty());
  BOOST_TEST(!server->closed());
}

BOOST_AUTO_TEST_CASE(a_cancel_with_a_body_or_without_an_object_is_a_bad_frame) {
  for (auto& bytes :
       {test::frame_bytes(frame_kind::cancel, 1, "{}", "x"),
        test::frame_bytes(frame_kind::cancel, 1, ""),
        test::frame_bytes(frame_kind::cancel, 1, "[]"), test::head_bytes(6, 1, 65537, 0)}) {
    open();
    BOOST_TEST(test::closed_code(events_of(bytes)) == "bad_frame");
  }
  open();
  BOOST_TEST(events_of(test::frame_bytes(frame_kind::cancel, 1, R"({"later":NaN})")).empty());
}

BOOST_AUTO_TEST_CASE(events_of_a_request_and_of_the_connection_are_sent) {
  open();
  feed(test::request_bytes(8));
  BOOST_TEST(server->event(8, R"({"event":"progress","value":1})"));
  BOOST_TEST(server->event(0, R"({"event":"job"})"));
  BOOST_TEST(!server->event(9, "{}"));
  auto frames = test::drain_frames(*server);
  BOOST_REQUIRE(frames.size() == 2U);
  BOOST_TEST((frames[0].kind == frame_kind::event));
  BOOST_TEST(frames[0].id == 8U);
  BOOST_TEST(frames[1].id == 0U);
}

BOOST_AUTO_TEST_CASE(after_the_end_nothing_is_read_and_nothing_answered) {
  open();
  feed(test::request_bytes(1));
  test::drain_events(*server);
  server->close({ec::shutting_down, "the node drains", 0, {}});
  auto frames = test::drain_frames(*server);
  BOOST_TEST(test::error_code_in(frames) == "shutting_down");
  BOOST_TEST(frames.at(0).id == 0U);
  BOOST_TEST(test::closed_code(test::drain_events(*server)) == "shutting_down");
  BOOST_TEST(!server->reply(1, "{}").value());
  BOOST_TEST(!server->refuse(1, {ec::internal, "x", 0, {}}));
  BOOST_TEST(!server->event(0, "{}"));
  server->close({ec::internal, "again", 0, {}});
  BOOST_TEST(events_of(test::request_bytes(2)).empty());
  BOOST_TEST(test::drain(*server).empty());
  BOOST_TEST(!server->wants_input());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::protocol
