#include <chrono>
#include <filesystem>
#include <memory>
#include <random>
#include <string>

#include "bench/figure.hpp"
#include "bench/picture_8bit.hpp"
#include "bench/temporary_folder.hpp"
#include "storage/job_store.hpp"
#include "storage/posix_file_system.hpp"

// What the job store itself costs, without node and wire: accepting and committing a job of one
// picture in turns with a plain write, and small jobs, one by one and 32 to a commit.

namespace luna::bench {

namespace {

using namespace luna::storage;
using clock = std::chrono::steady_clock;

constexpr int rounds = 60;
constexpr int small_group = 32;

class store_under_test {
public:
  static result<store_under_test> open(const std::string& path) {
    std::filesystem::create_directories(path + "/out");
    auto files = make_posix_file_system();
    auto folder = files->open_directory(path);
    if (!folder)
      return fail(ec::unavailable, folder.error().message);
    job_store_options options;
    options.clock = [] {
      return std::chrono::time_point_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now());
    };
    options.log.random = [random = std::mt19937_64{std::random_device{}()}]() mutable {
      return random();
    };
    auto opened = job_store::open(files, *folder, options);
    if (!opened)
      return fail(opened);
    return store_under_test{path, std::move(opened->store)};
  }

  /// Submits so many jobs with one commit. @returns the milliseconds.
  result<double> submit(const tensor_block& pixels, int jobs) {
    auto start = clock::now();
    for (int i = 0; i < jobs; ++i)
      if (auto ok = store_->accept(job_of(pixels)); !ok)
        return fail(ok);
    if (auto ok = store_->commit(); !ok)
      return tl::make_unexpected(ok.error().reason);
    return std::chrono::duration<double, std::milli>(clock::now() - start).count();
  }

  /// Ends all jobs without writing pictures, so that their space comes back.
  result<void> finish() {
    while (auto work = store_->take()) {
      for (auto& image : work->images)
        if (auto ok = store_->image_done(work->id, image.index, image_state::done, {}); !ok)
          return ok;
      if (auto ok = store_->finish_attempt(work->id, {}, false); !ok)
        return fail(ok);
      if (auto ok = store_->commit(); !ok)
        return tl::make_unexpected(ok.error().reason);
    }
    return {};
  }

private:
  store_under_test(std::string path, std::unique_ptr<job_store> store)
    : path_(std::move(path)), store_(std::move(store)) {}

  new_job job_of(const tensor_block& pixels) {
    auto number = std::to_string(++count_);
    new_job job;
    job.key = "bench-" + number;
    job.task = R"({"filename":"picture","images":[{"tensor":"image_0"}]})";
    job.images.push_back(
      {{path_ + "/out", "", "p" + number, ".png", collision_rule::rename, std::nullopt}, pixels});
    return job;
  }

  std::string path_;
  std::unique_ptr<job_store> store_;
  uint32_t count_ = 0;
};

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
