#include <chrono>
#include <string>

#include "bench/figure.hpp"
#include "bench/picture_8bit.hpp"
#include "bench/store_under_test.hpp"
#include "bench/temporary_folder.hpp"

// What the job store itself costs, without node and wire: accepting and committing a job of one
// picture in turns with a plain write, and small jobs, one by one and 32 to a commit.

namespace luna::bench {

namespace {

using clock = std::chrono::steady_clock;

constexpr int rounds = 60;
constexpr int small_group = 32;

/// The milliseconds of so many submits of so many jobs, after each of which the jobs end.
result<std::vector<double>> time_submits(store_under_test& store, const tensor_block& pixels,
                                         int submits, int jobs) {
  std::vector<double> times;
  for (int i = 0; i < submits; ++i) {
    auto ms = store.submit(pixels, jobs);
    if (!ms)
      return fail(ms);
    times.push_back(*ms);
    if (auto ok = store.finish(); !ok)
      return fail(ok);
  }
  return times;
}

} // namespace

result<std::vector<figure>> measure_storage(const options& with) {
  auto folder = temporary_folder::make(with.folder);
  if (!folder)
    return fail(folder);
  auto store = store_under_test::open(folder->path());
  if (!store)
    return fail(store);
  auto plain = plain_file::in(folder->path());
  if (!plain)
    return fail(plain);
  auto large = noise_picture(1024, 1024, 1);
  std::vector<double> plain_ms, store_ms;
  for (int i = 0; i < rounds; ++i) {
    auto written = plain->write(large);
    if (!written)
      return fail(written);
    auto submitted = time_submits(*store, large, 1, 1);
    if (!submitted)
      return fail(submitted);
    plain_ms.push_back(*written);
    store_ms.push_back(submitted->front());
  }
  auto small = noise_picture(64, 64, 2);
  auto single = time_submits(*store, small, rounds, 1);
  if (!single)
    return fail(single);
  auto grouped = time_submits(*store, small, rounds / 4, small_group);
  if (!grouped)
    return fail(grouped);
  figure x{"storage", "median, times a plain write", median(store_ms) / median(plain_ms), "x", {}};
  x.more = {{"bytes", large.size_bytes()},
            {"rounds", rounds},
            {"store_ms", rounded(median(store_ms))},
            {"plain_ms", rounded(median(plain_ms))},
            {"small_jobs_per_s", rounded(1000 / median(*single))},
            {"small_jobs_per_s_grouped", rounded(1000 * small_group / median(*grouped))}};
  return std::vector{x};
}

} // namespace luna::bench
