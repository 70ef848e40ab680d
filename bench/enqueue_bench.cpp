#include <chrono>
#include <string>

#include "bench/figure.hpp"
#include "bench/picture_8bit.hpp"
#include "bench/redis_stream.hpp"
#include "bench/store_under_test.hpp"
#include "bench/temporary_folder.hpp"

// Durable jobs of 512 bytes at the store's own interface, in turns with Redis Streams that syncs at
// every command, on the same disk: one at a time, and many to a commit (to Redis: in one write).

namespace luna::bench {

namespace {

using clock = std::chrono::steady_clock;

constexpr int in_a_row = 20;
constexpr int rounds = 30;
constexpr int group = 256;
constexpr int group_rounds = 4;
constexpr size_t job_bytes = 512; ///< pixels of 432 and a task of about 60

template <class Work>
result<double> timed(const Work& work) {
  auto start = clock::now();
  if (auto ok = work(); !ok)
    return tl::make_unexpected(ok.error());
  return std::chrono::duration<double, std::milli>(clock::now() - start).count();
}

struct times {
  std::vector<double> store;
  std::vector<double> redis;
};

/// So many jobs at a time, in turns of several; between them the jobs end.
result<times> take_turns(store_under_test& store, redis_stream& redis, const tensor_block& pixels,
                         int jobs, int turns) {
  const std::string payload(job_bytes, 'x');
  times x;
  for (int i = 0; i < turns; ++i) {
    for (int k = 0; k < in_a_row; ++k) {
      auto ours = store.submit(pixels, jobs);
      if (!ours)
        return fail(ours);
      x.store.push_back(*ours);
    }
    if (auto ok = store.finish(); !ok)
      return tl::make_unexpected(ok.error());
    for (int k = 0; k < in_a_row; ++k) {
      auto theirs = timed([&] { return redis.append_many(payload, jobs); });
      if (!theirs)
        return fail(theirs);
      x.redis.push_back(*theirs);
    }
  }
  return x;
}

figure figure_of(const times& x, int jobs, std::string what, std::string unit, double value,
                 target goal) {
  figure out{"enqueue", std::move(what), value, std::move(unit), goal};
  out.more = {{"store_jobs_per_s", rounded(1000 * jobs / median(x.store))},
              {"redis_jobs_per_s", rounded(1000 * jobs / median(x.redis))},
              {"bytes", job_bytes},
              {"in_flight", jobs}};
  return out;
}

} // namespace

result<std::vector<figure>> measure_enqueue(const options& with) {
  auto folder = temporary_folder::make(with.folder);
  if (!folder)
    return fail(folder);
  auto store = store_under_test::open(folder->path() + "/store");
  if (!store)
    return fail(store);
  auto redis = redis_stream::start(folder->path());
  if (!redis)
    return fail(redis);
  auto pixels = noise_picture(8, 18, 1);
  auto single = take_turns(*store, *redis, pixels, 1, rounds);
  if (!single)
    return fail(single);
  auto grouped = take_turns(*store, *redis, pixels, group, group_rounds);
  if (!grouped)
    return fail(grouped);
  return std::vector{figure_of(*single, 1, "one in flight, times Redis Streams", "x",
                               median(single->redis) / median(single->store), target{false, 1}),
                     figure_of(*grouped, group, "grouped", "jobs/s",
                               1000 * group / median(grouped->store), target{false, 20000})};
}

} // namespace luna::bench
