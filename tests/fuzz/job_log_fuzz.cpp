#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "storage/job_store.hpp"
#include "storage/testing/faulty_file_system.hpp"

// Any bytes in a segment of the job log: no crash, no hang, and the store that is made of them is
// usable and the same after another start. The first byte says what the rest is: the segment
// itself, or records whose checksums are right (else almost no input would come further than the
// first header): kind, number of pieces, length of the payload (2 bytes), payload.

namespace {

using namespace luna;
using namespace luna::storage;

constexpr uint64_t mark = 0x1122334455667788;

void require(bool condition, const char* what) {
  if (condition)
    return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

/// A segment of sound records with the payloads of the input.
std::string framed(std::string_view input) {
  std::string segment;
  while (input.size() >= 4) {
    auto byte = [&](size_t i) { return static_cast<uint8_t>(input[i]); };
    auto kind = byte(0);
    auto length = std::min<size_t>(byte(2) | byte(3) << 8, input.size() - 4);
    std::vector<piece_entry> pieces(byte(1) % 4, {64, crc32c(std::vector<std::byte>(64))});
    segment += encode_front(mark, segment.size(), kind, input.substr(4, length), pieces);
    segment.resize(segment.size() + 64 * pieces.size());
    input.remove_prefix(4 + length);
  }
  segment.resize(segment.size() + 64);
  return segment;
}

using states = std::map<std::string, job_state>;

/// Starts the store and uses it a little, as a node would.
states run(const std::shared_ptr<testing::faulty_file_system>& disk, bool work) {
  job_store_options options;
  options.clock = [] { return time_point{std::chrono::milliseconds{1'700'000'000'000}}; };
  options.log.segment_bytes = 16384;
  uint64_t marks = 1000 + disk->operations();
  options.log.random = [&marks] { return ++marks; };
  auto opened = job_store::open(disk, *disk->make_directories("/data"), options);
  require(opened.has_value(), "the store does not start");
  auto& store = *opened->store;
  for (auto& damage : opened->report.damages)
    require(!damage.message.empty(), "a damage without a message");
  states found;
  auto jobs = store.list(std::nullopt, 1000);
  require(jobs.has_value(), "no list");
  for (auto& job : *jobs)
    found[job.id] = job.state;
  if (!work)
    return found;
  while (auto taken = store.take()) {
    for (auto& image : taken->images)
      static_cast<void>(taken->read_pixels(image));
    static_cast<void>(store.finish_attempt(taken->id, "not today", true));
  }
  require(store.commit().has_value(), "no commit");
  require(store.maintain().has_value(), "no upkeep");
  auto counters = store.counters();
  require(counters.queued + counters.running <= found.size(), "jobs out of nothing");
  return found;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0)
    return 0;
  std::string_view input{reinterpret_cast<const char*>(data) + 1, size - 1};
  auto disk = std::make_shared<testing::faulty_file_system>();
  disk->put("/data/log/" + format_segment_name({1, mark}),
            data[0] % 2 == 0 ? std::string{input} : framed(input));
  auto first = run(disk, false);
  auto second = run(disk, true);
  require(first == second, "the second start finds something else");
  run(disk, false);
  return 0;
}
