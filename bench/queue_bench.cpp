#include <chrono>
#include <malloc.h>
#include <string>

#include "bench/figure.hpp"
#include "bench/picture_8bit.hpp"
#include "bench/store_under_test.hpp"
#include "bench/temporary_folder.hpp"

// A long queue: how long a store with so many queued jobs takes to start again, and to list them.
// Then all of them are done, and it is told what each costs in memory as long as it is remembered.

namespace luna::bench {

namespace {

using clock = std::chrono::steady_clock;

constexpr int jobs = 100000;
constexpr int jobs_a_commit = 1000;

double seconds_since(clock::time_point start) {
  return std::chrono::duration<double>(clock::now() - start).count();
}

/// What this process has of its heap.
size_t heap_bytes() {
  auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

result<void> fill(const std::string& path) {
  auto store = store_under_test::open(path);
  if (!store)
    return tl::make_unexpected(store.error());
  auto pixels = noise_picture(4, 4, 1);
  for (int i = 0; i < jobs; i += jobs_a_commit)
    if (auto ok = store->submit(pixels, jobs_a_commit); !ok)
      return tl::make_unexpected(ok.error());
  return {};
}

} // namespace

result<std::vector<figure>> measure_queue(const options& with) {
  auto folder = temporary_folder::make(with.folder);
  if (!folder)
    return fail(folder);
  if (auto ok = fill(folder->path()); !ok)
    return tl::make_unexpected(ok.error());
  auto start = clock::now();
  auto store = store_under_test::open(folder->path());
  if (!store)
    return fail(store);
  auto opened = seconds_since(start);
  start = clock::now();
  auto listed = store->list(jobs);
  if (!listed)
    return fail(listed);
  auto list = seconds_since(start);
  if (*listed != jobs)
    return fail(ec::internal, "the list has " + std::to_string(*listed) + " jobs");
  if (auto ok = store->finish(jobs_a_commit); !ok)
    return fail(ok);
  store = fail(ec::none, "closed");
  auto before = heap_bytes();
  store = store_under_test::open(folder->path());
  if (!store)
    return fail(store);
  auto remembered = static_cast<double>(heap_bytes() - before) / jobs;
  figure restart{"queue", "restart with 100,000 queued jobs", opened, "s", target{true, 2}};
  figure all{"queue", "a list of 100,000 queued jobs", list, "s", target{true, 2}};
  figure memory{"queue", "memory of a remembered job", remembered, "bytes", target{true, 400}};
  return std::vector{restart, all, memory};
}

} // namespace luna::bench
