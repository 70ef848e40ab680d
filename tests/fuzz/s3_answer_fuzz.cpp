#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "storage/s3/s3_target.hpp"

// Whatever a store answers: no crash, no endless pages, names of no other folder, and a text for
// every failure. The first byte chooses the status, the second the headers, the rest is the body.

namespace {

using namespace luna::storage;
using namespace luna::storage::s3;

void require(bool condition, const char* what) {
  if (condition)
    return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

template <class T>
void require_reason(const luna::result<T>& answer) {
  require(answer.has_value() || !answer.error().message.empty(), "a failure without a message");
}

struct canned final : http_transport {
  http_response answer;
  int requests = 0;

  tl::expected<http_response, no_answer> send(const http_request&) override {
    require(++requests < 1000, "requests without end");
    return answer;
  }
};

/// From the environment: they are read for each request.
void set_credentials() {
  static const bool set =
    ::setenv("AWS_ACCESS_KEY_ID", "A", 1) == 0 && ::setenv("AWS_SECRET_ACCESS_KEY", "B", 1) == 0;
  require(set, "no credentials");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2)
    return 0;
  constexpr int statuses[] = {200, 204, 301, 400, 403, 404, 409, 412, 429, 500, 503, 0};
  auto transport = std::make_shared<canned>();
  transport->answer.status = statuses[data[0] % std::size(statuses)];
  const std::string body{reinterpret_cast<const char*>(data) + 2, size - 2};
  transport->answer.body = body;
  if (data[1] & 1)
    transport->answer.headers = {{"content-length", body}, {"retry-after", body}, {"etag", body}};

  s3_options options;
  options.endpoint = "http://store";
  options.bucket = "bucket";
  set_credentials();
  options.multipart_above = 4;
  options.part_bytes = 4;
  options.tries = 2;
  options.conditional_puts = (data[1] & 2) != 0;
  s3_surroundings world{transport, [] { return std::chrono::sys_seconds{}; }, [](auto) {},
                        [] { return 0.5; }};
  const s3_client client{options, world};
  const auto keys = client.list("folder/a");
  require_reason(keys);
  if (keys)
    for (const auto& key : *keys)
      require(key.starts_with("folder/a"), "a key of another folder");
  require_reason(client.uploads_of("folder/a.png"));
  require_reason(client.head("k"));

  s3_target target{"t", options, world};
  const publish_request request{{"s3://bucket", "folder", "a.png", false}, ".luna-j-0.tmp"};
  for (const std::string text : {"abc", "abcdefghij"}) {
    const auto bytes = std::as_bytes(std::span{text});
    const auto staged = target.write(request, bytes);
    require_reason(staged);
    if (!staged)
      continue;
    require_reason(target.reveal(request, *staged));
    require_reason(target.is_published(request, staged->identity));
    target.discard(request, *staged);
  }
  return 0;
}
