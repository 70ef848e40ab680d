#include <algorithm>
#include <chrono>
#include <memory>

#include "bench/figure.hpp"
#include "bench/peer_process.hpp"
#include "bench/plain_socket.hpp"
#include "protocol/client.hpp"
#include "protocol/frame.hpp"

// How fast a large reply leaves the gateway: from the answer of a pool that computes nothing to the
// last byte at a client that only reads, in turns with a plain write of the same bytes by the same
// process to the same reader.

namespace luna::bench {

namespace {

using clock = std::chrono::steady_clock;
using protocol::client;

constexpr int warm_up = 10;
constexpr int rounds = 100;

double seconds_since(clock::time_point start) {
  return std::chrono::duration<double>(clock::now() - start).count();
}

/// Times of one reply.
struct reply_time {
  double whole = 0;   ///< from before the request
  double leaving = 0; ///< from its first byte
};

/// Sends a request that is answered with a picture, and reads into memory that is used again.
class picture_reader {
public:
  explicit picture_reader(client at) : at_(std::move(at)), memory_(picture_bytes + (64 << 10)) {
    latents_.push_back(
      {"latents", tensor_block::copy_of(dtype::f32, {1, 4, 2, 2}, std::vector<std::byte>(64))});
  }

  /// Only reads, as the plain comparison does.
  result<reply_time> raw() {
    auto start = clock::now();
    if (auto sent = at_.send(request_, latents_); !sent)
      return fail(sent);
    reply_time times;
    wait_readable(at_.descriptor());
    auto first = clock::now();
    std::span<std::byte> to{memory_};
    if (auto ok = read_all(at_.descriptor(), to.first(protocol::head_size)); !ok)
      return fail(ok);
    auto head = protocol::decode(to.first<protocol::head_size>());
    auto rest = head.header_bytes + head.body_bytes;
    if (head.kind != protocol::frame_kind::reply || head.body_bytes < picture_bytes
        || rest > memory_.size())
      return fail(ec::internal, "the gateway did not answer with a picture");
    if (auto ok = read_all(at_.descriptor(), to.first(rest)); !ok)
      return fail(ok);
    return reply_time{seconds_since(start), seconds_since(first)};
  }

  /// As a client does it: a new buffer for each body, and its tensors checked.
  result<double> with_client() {
    auto start = clock::now();
    auto reply = at_.call(request_, latents_);
    if (!reply)
      return fail(reply);
    return seconds_since(start);
  }

private:
  client at_;
  std::vector<std::byte> memory_;
  std::vector<named_tensor> latents_;
  protocol::json request_ = {{"cmd", "vae_decode"}, {"model", "picture"}};
};

double gb_per_s(std::vector<double> seconds) {
  return picture_bytes / median(std::move(seconds)) / 1e9;
}

} // namespace

result<std::vector<figure>> measure_reply(const options&) {
  auto peer = peer_process::start("reply-peer");
  if (!peer)
    return fail(peer);
  protocol::client_options where;
  where.port = peer->port;
  auto connected = client::connect(where);
  if (!connected)
    return fail(connected);
  auto plain = plain_client::connect(peer->plain_port);
  if (!plain)
    return fail(plain);
  picture_reader reader{std::move(*connected)};
  std::vector<std::byte> memory(picture_bytes);
  std::vector<double> whole, leaving, client_whole, plain_whole;
  for (int i = 0; i < warm_up + rounds; ++i) {
    auto plain_time = plain->exchange({}, memory);
    if (!plain_time)
      return fail(plain_time);
    auto raw = reader.raw();
    if (!raw)
      return fail(raw);
    auto client_time = reader.with_client();
    if (!client_time)
      return fail(client_time);
    if (i < warm_up)
      continue;
    plain_whole.push_back(*plain_time);
    whole.push_back(raw->whole);
    leaving.push_back(raw->leaving);
    client_whole.push_back(*client_time);
  }
  figure x{"reply_bandwidth", "median, from request to last byte", gb_per_s(whole), "GB/s",
           target{false, 1.5}};
  x.more = {{"bytes", picture_bytes},
            {"rounds", rounds},
            {"from_first_byte_gb_per_s", rounded(gb_per_s(leaving))},
            {"with_client_gb_per_s", rounded(gb_per_s(client_whole))},
            {"plain_gb_per_s", rounded(gb_per_s(plain_whole))},
            {"ratio_to_plain", rounded(gb_per_s(whole) / gb_per_s(plain_whole))}};
  return std::vector{x};
}

} // namespace luna::bench
