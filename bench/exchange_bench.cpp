#include <chrono>
#include <unistd.h>

#include "actors/transport/exchange.hpp"
#include "bench/figure.hpp"
#include "bench/peer_process.hpp"
#include "bench/peer_system.hpp"
#include "bench/picture_pool.hpp"
#include "bench/plain_socket.hpp"

// A picture from node to node: the exchanges of two processes over CAF's own connection, in turns
// with a plain write and read of the same bytes between the same processes. Each time is of a whole
// call: offer, chunks, answer.

namespace luna::bench {

namespace {

using clock = std::chrono::steady_clock;

constexpr int warm_up = 10;
constexpr int rounds = 100;
constexpr std::chrono::seconds patience{30};

/// This process as a node.
struct near_node {
  peer_config config;
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  exchange_actor here = system.spawn(exchange, byte_budget::make(uint64_t{1} << 30));
  route there;

  ~near_node() { self->send_exit(here, caf::exit_reason::user_shutdown); }

  result<void> meet(uint16_t port) {
    auto peer = system.middleman().remote_actor<exchange_peer_actor>("127.0.0.1", port);
    if (!peer)
      return fail(ec::unavailable, "no connection: " + system.render(peer.error()));
    there.node = "there";
    there.pool = "pictures";
    there.there = *peer;
    return {};
  }

  /// Runs a task over there. @returns the seconds.
  result<double> call(std::vector<named_tensor> tensors, size_t answered_bytes) {
    model_task task;
    task.header.id = next_task_id();
    task.header.kind = "vae_decode";
    task.header.deadline_ms = 10000;
    task.tensors = std::move(tensors);
    result<double> seconds = fail(ec::internal, "no answer");
    auto start = clock::now();
    self->request(here, patience, run_atom_v, there, std::move(task))
      .receive(
        [&](const model_result& x) {
          if (total_bytes(x.tensors) == answered_bytes)
            seconds = std::chrono::duration<double>(clock::now() - start).count();
        },
        [&](const caf::error& err) { seconds = fail(ec::internal, system.render(err)); });
    return seconds;
  }
};

/// What many transfers of one kind took.
struct transfers {
  std::vector<double> seconds;
  double cpu = 0; ///< of both processes

  double gb_per_s() const { return picture_bytes / median(seconds) / 1e9; }
  double cpu_ms() const { return 1000 * cpu / static_cast<double>(seconds.size()); }
};

/// Runs transfers and notes what they take.
class stopwatch {
public:
  explicit stopwatch(pid_t peer) : peer_(peer) {}

  /// @param run tells its seconds. @returns its failure.
  template <class F>
  result<void> time(transfers& into, F run) {
    auto cpu = now();
    result<double> seconds = run();
    if (!seconds)
      return fail(seconds);
    into.seconds.push_back(*seconds);
    into.cpu += now() - cpu;
    return {};
  }

private:
  double now() const { return cpu_seconds_of(::getpid()) + cpu_seconds_of(peer_); }

  pid_t peer_;
};

figure figure_of(const char* what, const transfers& calls, const transfers& plain) {
  figure x{"node_to_node", what, calls.gb_per_s(), "GB/s", target{false, 1.2}};
  x.more = {{"bytes", picture_bytes},
            {"rounds", rounds},
            {"cpu_ms", rounded(calls.cpu_ms())},
            {"plain_gb_per_s", rounded(plain.gb_per_s())},
            {"plain_cpu_ms", rounded(plain.cpu_ms())},
            {"ratio_to_plain", rounded(calls.gb_per_s() / plain.gb_per_s())}};
  return x;
}

} // namespace

result<std::vector<figure>> measure_exchange(const options&) {
  auto peer = peer_process::start("exchange-peer");
  if (!peer)
    return fail(peer);
  auto plain = plain_client::connect(peer->plain_port);
  if (!plain)
    return fail(plain);
  near_node node;
  if (auto ok = node.meet(peer->port); !ok)
    return fail(ok);
  auto picture = make_picture();
  std::vector<std::byte> memory(picture_bytes), small(1);
  stopwatch watch{peer->process.pid()};
  transfers sent, received, plain_sent, plain_received;
  for (int i = 0; i < warm_up + rounds; ++i) {
    if (i == warm_up)
      sent = received = plain_sent = plain_received = {};
    auto ok =
      watch.time(plain_sent, [&] { return plain->exchange(picture.tensor.bytes(), small); });
    if (ok)
      ok = watch.time(sent, [&] { return node.call({picture}, 0); });
    if (ok)
      ok = watch.time(plain_received, [&] { return plain->exchange({}, memory); });
    if (ok)
      ok = watch.time(received, [&] { return node.call({}, picture_bytes); });
    if (!ok)
      return fail(ok);
  }
  return std::vector{figure_of("median, to a pool there", sent, plain_sent),
                     figure_of("median, an answer from there", received, plain_received)};
}

} // namespace luna::bench
