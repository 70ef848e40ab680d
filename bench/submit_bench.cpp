#include <chrono>
#include <random>
#include <string>

#include "bench/node_process.hpp"
#include "bench/picture_8bit.hpp"
#include "storage/posix_file_system.hpp"

// What an acknowledgement costs a client: submit_async of one picture of 3.1 MB, in turns with a
// plain write + fdatasync of its bytes to a new file on the same disk, so that both see the same
// disk. Between them the node comes to rest.

namespace luna::bench {

namespace {

using clock = std::chrono::steady_clock;

constexpr int warm_up = 5;
constexpr int rounds = 60;

/// The milliseconds until a job is acknowledged; then the job is waited for.
template <class Client>
result<double> submit(Client& at, const tensor_block& pixels, int number,
                      const std::string& durability) {
  auto name = durability + std::to_string(number);
  protocol::json request = {
    {"cmd", "submit_async"},
    {"key", "bench-" + name},
    {"task_data",
     {{"filename", name}, {"durability", durability}, {"images", {{{"tensor", "image_0"}}}}}}};
  auto start = clock::now();
  auto reply = at.call(request, std::vector<named_tensor>{{"image_0", pixels}});
  auto ms = std::chrono::duration<double, std::milli>(clock::now() - start).count();
  if (!reply)
    return fail(reply);
  auto job =
    at.call({{"cmd", "job_wait"}, {"job_id", reply->fields.at("job_id")}, {"timeout_ms", 30000}},
            {}, std::chrono::seconds{40});
  if (!job)
    return fail(job);
  if (job->fields.at("state") != "done")
    return fail(ec::internal, "a job did not end well: " + job->fields.dump());
  return ms;
}

} // namespace

result<std::vector<figure>> measure_submit(const options& with) {
  auto node = node_process::start(with);
  if (!node)
    return fail(node);
  auto at = node->connect();
  if (!at)
    return fail(at);
  auto plain = plain_file::in(node->folder());
  if (!plain)
    return fail(plain);
  auto pixels = noise_picture(1024, 1024, 1);
  std::vector<double> plain_ms, submit_ms, fast_ms;
  for (int i = 0; i < warm_up + rounds; ++i) {
    auto written = plain->write(pixels);
    if (!written)
      return fail(written);
    auto full = submit(*at, pixels, i, "full");
    if (!full)
      return fail(full);
    auto fast = submit(*at, pixels, i, "fast");
    if (!fast)
      return fail(fast);
    if (i < warm_up)
      continue;
    plain_ms.push_back(*written);
    submit_ms.push_back(*full);
    fast_ms.push_back(*fast);
  }
  node->stop();
  figure x{"submit", "median, times a plain write", median(submit_ms) / median(plain_ms), "x",
           target{true, 2.5}};
  x.more = {{"bytes", pixels.size_bytes()},
            {"rounds", rounds},
            {"submit_ms", rounded(median(submit_ms))},
            {"submit_p90_ms", rounded(percentile(submit_ms, 0.9))},
            {"plain_ms", rounded(median(plain_ms))},
            {"plain_p90_ms", rounded(percentile(plain_ms, 0.9))}};
  figure fast{"submit", "median, durability fast", median(fast_ms), "ms", target{true, 3}};
  fast.more = {{"p90_ms", rounded(percentile(fast_ms, 0.9))}, {"rounds", rounds}};
  return std::vector{x, fast};
}

} // namespace luna::bench
