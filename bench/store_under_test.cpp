#include "bench/store_under_test.hpp"

#include <chrono>
#include <filesystem>
#include <random>

#include "storage/posix_file_system.hpp"

namespace luna::bench {

using namespace luna::storage;
using clock = std::chrono::steady_clock;

result<store_under_test> store_under_test::open(const std::string& path) {
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

result<double> store_under_test::submit(const tensor_block& pixels, int jobs) {
  auto start = clock::now();
  for (int i = 0; i < jobs; ++i)
    if (auto ok = store_->accept(job_of(pixels)); !ok)
      return fail(ok);
  if (auto ok = store_->commit(); !ok)
    return tl::make_unexpected(ok.error().reason);
  return std::chrono::duration<double, std::milli>(clock::now() - start).count();
}

result<size_t> store_under_test::list(size_t most) const {
  auto jobs = store_->list(std::nullopt, most);
  if (!jobs)
    return fail(jobs);
  return jobs->size();
}

result<void> store_under_test::finish(int jobs_a_commit) {
  auto commit = [this]() -> result<void> {
    if (auto ok = store_->commit(); !ok)
      return tl::make_unexpected(ok.error().reason);
    return {};
  };
  int finished = 0;
  while (auto work = store_->take()) {
    for (auto& image : work->images)
      if (auto ok = store_->image_done(work->id, image.index, image_state::done, {}); !ok)
        return ok;
    if (auto ok = store_->finish_attempt(work->id, {}, false); !ok)
      return fail(ok);
    if (++finished % jobs_a_commit == 0)
      if (auto ok = commit(); !ok)
        return ok;
  }
  return commit();
}

new_job store_under_test::job_of(const tensor_block& pixels) {
  auto number = std::to_string(++count_);
  new_job job;
  job.key = "bench-" + number;
  job.task = R"({"filename":"picture","images":[{"tensor":"image_0"}]})";
  job.images.push_back(
    {{path_ + "/out", "", "p" + number, ".png", collision_rule::rename, std::nullopt}, pixels});
  return job;
}

} // namespace luna::bench
