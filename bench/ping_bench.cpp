#include <chrono>
#include <thread>

#include "bench/node_process.hpp"
#include "bench/plain_socket.hpp"

// Small requests: the latency of one, and how many a second.

namespace luna::bench {

namespace {

using clock = std::chrono::steady_clock;
using protocol::client;

constexpr int warm_up = 2000;
constexpr int pings = 20000;

constexpr size_t connections = 8;
constexpr int in_flight = 8;
constexpr size_t data_bytes = 1024;
constexpr std::chrono::seconds throughput_time{5};
constexpr std::chrono::milliseconds throughput_warm_up{500};

/// About what a ping and its answer have on the wire.
constexpr size_t plain_bytes = 80;

double us_since(clock::time_point start) {
  return std::chrono::duration<double, std::micro>(clock::now() - start).count();
}

result<std::vector<double>> time_pings(client& at, int count) {
  std::vector<double> times;
  times.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    auto start = clock::now();
    if (auto reply = at.call({{"cmd", "ping"}}); !reply)
      return fail(reply);
    times.push_back(us_since(start));
  }
  return times;
}

/// The same between two threads that do nothing else.
result<double> plain_median() {
  auto server = plain_server::start();
  if (!server)
    return fail(server);
  auto at = plain_client::connect(server->port());
  if (!at)
    return fail(at);
  std::vector<std::byte> out(plain_bytes), in(plain_bytes);
  std::vector<double> times;
  for (int i = 0; i < pings; ++i) {
    auto seconds = at->exchange(out, in);
    if (!seconds)
      return fail(seconds);
    times.push_back(*seconds * 1e6);
  }
  return median(std::move(times));
}

/// A connection with requests in flight.
class pinger {
public:
  explicit pinger(client at) : at_(std::move(at)) {
    protocol::json request = {{"cmd", "ping"}, {"data", std::string(data_bytes, 'x')}};
    request_ = request.dump();
  }

  result<void> send() {
    auto sent = at_.send_text(request_);
    return sent ? result<void>{} : fail(sent);
  }

  /// Waits for an answer, and reads and checks it.
  result<void> receive() {
    auto frame = at_.receive();
    if (!frame)
      return fail(frame);
    auto fields = frame->fields();
    if (!fields)
      return fail(fields);
    if (frame->kind != protocol::frame_kind::reply
        || fields->at("data").get_ref<const std::string&>().size() != data_bytes)
      return fail(ec::internal, "a ping was answered wrongly: " + frame->header);
    return {};
  }

private:
  client at_;
  std::string request_;
};

/// Keeps all connections busy, the answers of each read in turn, and counts them.
result<uint64_t> pump(std::vector<pinger>& at, std::chrono::milliseconds time) {
  auto end = clock::now() + time;
  uint64_t answered = 0;
  while (clock::now() < end) {
    for (auto& x : at) {
      if (auto ok = x.receive(); !ok)
        return fail(ok);
      if (auto ok = x.send(); !ok)
        return fail(ok);
      ++answered;
    }
  }
  return answered;
}

} // namespace

result<std::vector<figure>> measure_ping(const options& with) {
  auto node = node_process::start(with);
  if (!node)
    return fail(node);
  auto at = node->connect();
  if (!at)
    return fail(at);
  if (auto warm = time_pings(*at, warm_up); !warm)
    return fail(warm);
  auto times = time_pings(*at, pings);
  if (!times)
    return fail(times);
  auto plain = plain_median();
  if (!plain)
    return fail(plain);
  figure x{"ping", "p50", percentile(*times, 0.5), "us", target{true, 150}};
  x.more = {{"p90_us", rounded(percentile(*times, 0.9))},
            {"p99_us", rounded(percentile(*times, 0.99))},
            {"pings", pings},
            {"plain_p50_us", rounded(*plain)}};
  return std::vector{x};
}

result<std::vector<figure>> measure_ping_throughput(const options& with) {
  auto node = node_process::start(with);
  if (!node)
    return fail(node);
  std::vector<pinger> at;
  for (size_t i = 0; i < connections; ++i) {
    auto connected = node->connect();
    if (!connected)
      return fail(connected);
    at.emplace_back(std::move(*connected));
    for (int j = 0; j < in_flight; ++j)
      if (auto ok = at.back().send(); !ok)
        return fail(ok);
  }
  if (auto warm = pump(at, throughput_warm_up); !warm)
    return fail(warm);
  auto cpu = node->cpu_seconds();
  auto start = clock::now();
  auto answered = pump(at, throughput_time);
  if (!answered)
    return fail(answered);
  auto seconds = us_since(start) / 1e6;
  figure x{"ping_throughput", "pings", static_cast<double>(*answered) / seconds, "/s",
           target{false, 20000}};
  x.more = {{"connections", connections},
            {"in_flight", in_flight},
            {"data_bytes", data_bytes},
            {"seconds", rounded(seconds)},
            {"node_cpu", rounded((node->cpu_seconds() - cpu) / seconds)}};
  return std::vector{x};
}

} // namespace luna::bench
