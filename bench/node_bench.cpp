#include <chrono>
#include <thread>

#include "bench/node_process.hpp"

// A node that nobody uses: how soon it is there, and what it costs.

namespace luna::bench {

namespace {

using clock = std::chrono::steady_clock;

constexpr int starts = 5;
constexpr std::chrono::seconds settling{5};
constexpr std::chrono::seconds idle_time{20};

double seconds_since(clock::time_point start) {
  return std::chrono::duration<double>(clock::now() - start).count();
}

} // namespace

result<std::vector<figure>> measure_ready(const options& with) {
  std::vector<double> times;
  double cpu = 0;
  for (int i = 0; i <= starts; ++i) {
    auto start = clock::now();
    auto node = node_process::start(with);
    if (!node)
      return fail(node);
    auto time = seconds_since(start);
    if (i > 0) // the first one fills the page cache
      times.push_back(time);
    cpu = node->cpu_seconds();
    node->stop();
  }
  figure x{"ready", "median", median(times), "s", target{true, 1.2}};
  x.more = {{"starts", starts}, {"cpu_s", rounded(cpu)}, {"all_s", json::array()}};
  for (auto time : times)
    x.more["all_s"].push_back(rounded(time));
  return std::vector{x};
}

result<std::vector<figure>> measure_idle(const options& with) {
  auto node = node_process::start(with);
  if (!node)
    return fail(node);
  std::this_thread::sleep_for(settling);
  auto cpu = node->cpu_seconds();
  auto start = clock::now();
  std::this_thread::sleep_for(idle_time);
  auto share = (node->cpu_seconds() - cpu) / seconds_since(start);
  node->stop();
  figure x{"idle", "CPU of one core", 100 * share, "%", target{true, 0.5}};
  x.more = {{"seconds", idle_time.count()}};
  return std::vector{x};
}

} // namespace luna::bench
