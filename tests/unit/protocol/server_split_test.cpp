#include <boost/test/unit_test.hpp>

#include <random>

#include "base/safetensors.hpp"
#include "peer.hpp"

// A stream of frames means the same in whatever pieces it arrives.

namespace luna::protocol {

namespace {

struct transcript {
  std::vector<std::string> events;
  std::vector<test::sent_frame> frames;

  friend bool operator==(const transcript&, const transcript&) = default;
};

std::string describe_event(const connection_event& event) {
  if (auto* x = std::get_if<hello_done>(&event))
    return "hello " + x->client;
  if (auto* x = std::get_if<request_received>(&event))
    return "request " + std::to_string(x->id) + " " + x->header.dump() + " " + x->raw_header + " "
         + std::string{reinterpret_cast<const char*>(x->body.bytes.data()), x->body.bytes.size()};
  if (auto* x = std::get_if<cancel_received>(&event))
    return "cancel " + std::to_string(x->id);
  auto& why = std::get<connection_closed>(event).why;
  return "closed " + std::string{to_string(why.code)} + " " + why.message;
}

/// What a server makes of a stream that is cut into these pieces.
transcript run(const std::vector<std::string_view>& pieces) {
  test::fixture peer;
  peer.config.max_in_flight = 3;
  auto& server = peer.start();
  transcript seen;
  for (auto piece : pieces) {
    server.feed(test::as_bytes(piece));
    for (auto& event : test::drain_events(server))
      seen.events.push_back(describe_event(event));
  }
  seen.frames = test::drain_frames(server);
  peer.server.reset();
  BOOST_TEST(peer.budget->used() == 0U);
  return seen;
}

std::vector<std::string_view> cut(std::string_view stream, const std::vector<size_t>& places) {
  std::vector<std::string_view> pieces;
  size_t at = 0;
  for (auto place : places) {
    pieces.push_back(stream.substr(at, place - at));
    at = place;
  }
  pieces.push_back(stream.substr(at));
  return pieces;
}

/// One of everything; the requests after the third are over the bound.
std::string good_stream() {
  std::string data(40, 'd');
  named_tensor x{"x", tensor_block::copy_of(dtype::u8, {40}, test::as_bytes(data))};
  return test::hello_bytes() + test::request_bytes(1)
       + test::request_bytes(2, R"({"cmd":"vae_encode","a":[1,{"b":null}]})",
                             write_safetensors({&x, 1}))
       + test::frame_bytes(frame_kind::cancel, 1, "{}")
       + test::request_bytes(3, R"({"cmd":"ping","data":NaN})", "dropped")
       + test::request_bytes(4, R"({"cmd":"ping"})", "over the bound")
       + test::frame_bytes(frame_kind::cancel, 9, "{}");
}

void check_all_cuts(const std::string& stream, const transcript& expected) {
  std::vector<size_t> every;
  for (size_t i = 1; i < stream.size(); ++i)
    every.push_back(i);
  BOOST_TEST((run(cut(stream, every)) == expected), "byte by byte");
  for (size_t i = 1; i < stream.size(); ++i)
    BOOST_TEST((run(cut(stream, {i})) == expected), "cut at " << i);
}

} // namespace

BOOST_AUTO_TEST_SUITE(server_split_test)

BOOST_AUTO_TEST_CASE(every_cut_of_a_stream_means_the_same) {
  auto stream = good_stream();
  auto expected = run({stream});
  BOOST_TEST(expected.events.size() == 4U);
  BOOST_TEST(expected.events[0] == "hello test/1");
  BOOST_TEST(expected.events[1] == R"(request 1 {"cmd":"ping"}  )");
  BOOST_TEST(
    expected.events[2].starts_with(R"(request 2 {"cmd":"vae_encode","a":[1,{"b":null}]})"));
  BOOST_TEST(expected.events[3] == "cancel 1");
  BOOST_REQUIRE(expected.frames.size() == 3U);
  BOOST_TEST(expected.frames[1].header["code"] == "bad_request");
  BOOST_TEST(expected.frames[2].header["code"] == "overloaded");
  check_all_cuts(stream, expected);
}

BOOST_AUTO_TEST_CASE(every_cut_of_a_stream_that_breaks_means_the_same) {
  for (auto& tail :
       {std::string{"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"},
        test::request_bytes(5, "[1]", "body"), test::request_bytes(1),
        test::frame_bytes(frame_kind::reply, 5, "{}"), test::head_bytes(2, 5, 2, 0, 2)}) {
    auto stream = test::hello_bytes() + test::request_bytes(1) + tail + test::request_bytes(7);
    auto expected = run({stream});
    BOOST_REQUIRE(expected.events.size() == 3U);
    BOOST_TEST(expected.events[2].starts_with("closed "));
    BOOST_TEST(expected.frames.size() == 2U);
    check_all_cuts(stream, expected);
  }
}

BOOST_AUTO_TEST_CASE(random_cuts_of_large_headers_and_bodies_mean_the_same) {
  auto header = R"({"cmd":"ping","data":")" + std::string(100000, 'h') + "\"}";
  auto stream = test::hello_bytes() + test::request_bytes(1, header, std::string(700000, 'b'))
              + test::request_bytes(2, "{}", std::string(1, 'c'));
  auto expected = run({stream});
  BOOST_TEST(expected.events.size() == 3U);
  std::mt19937 random{3};
  for (auto round = 0; round < 40; ++round) {
    std::vector<size_t> places;
    for (size_t at = 0; (at += 1 + random() % 150000) < stream.size();)
      places.push_back(at);
    BOOST_TEST((run(cut(stream, places)) == expected), "round " << round);
  }
}

BOOST_AUTO_TEST_CASE(a_stream_that_ends_in_the_middle_gives_the_whole_frames_only) {
  auto first = test::hello_bytes() + test::request_bytes(1);
  auto stream = first + test::request_bytes(2, R"({"cmd":"x"})", "body");
  for (auto n = first.size(); n < stream.size(); ++n)
    BOOST_TEST(run({std::string_view{stream}.substr(0, n)}).events.size() == 2U, "ends at " << n);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace luna::protocol
