#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>

#include "bench/figure.hpp"
#include "bench/temporary_folder.hpp"
#include "storage/name_reservations.hpp"
#include "storage/posix_file_system.hpp"

// A full output folder: what a counter costs there, while other programs write to it as well.

namespace luna::bench {

namespace {

using clock = std::chrono::steady_clock;

constexpr int pictures = 100000;
constexpr int rounds = 100;

bool put_picture(const std::string& folder, int number) {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "ComfyUI_%05d_.png", number);
  return std::ofstream{folder + '/' + name.data()}.good();
}

double milliseconds_since(clock::time_point start) {
  return std::chrono::duration<double, std::milli>(clock::now() - start).count();
}

} // namespace

result<std::vector<figure>> measure_counter(const options& with) {
  auto folder = temporary_folder::make(with.folder);
  if (!folder)
    return fail(folder);
  auto& path = folder->path();
  for (int i = 1; i <= pictures; ++i)
    if (!put_picture(path, i))
      return fail(ec::internal, "a picture cannot be written to " + path);
  storage::name_reservations names{storage::make_posix_file_system(), "bench"};
  std::vector wanted{storage::name_request{
    path, "", "ComfyUI", ".png", storage::collision_rule::rename, storage::counter_rule{}}};
  std::vector<double> times;
  for (int i = 0; i <= rounds; ++i) {
    // A foreign picture comes each time: the counter has to see it.
    if (!put_picture(path, pictures + 2 * i + 1))
      return fail(ec::internal, "a picture cannot be written to " + path);
    auto want = "ComfyUI_" + std::to_string(pictures + 2 * i + 2) + "_.png";
    auto start = clock::now();
    auto got = names.reserve(std::to_string(i), wanted);
    if (got)
      names.show(std::to_string(i), wanted, *got);
    times.push_back(milliseconds_since(start));
    if (!got)
      return fail(got);
    if (got->front().filename != want)
      return fail(ec::internal, "the counter gave " + got->front().filename + ", not " + want);
  }
  auto first = times.front();
  times.erase(times.begin());
  figure x{"counter", "name and marker in a folder of 100,000 pictures, median", median(times),
           "ms", target{true, 5}};
  x.more = {
    {"p99_ms", rounded(percentile(times, 0.99))}, {"first_ms", rounded(first)}, {"rounds", rounds}};
  return std::vector{x};
}

} // namespace luna::bench
