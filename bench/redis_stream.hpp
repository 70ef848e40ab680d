#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "bench/child_process.hpp"

namespace luna::bench {

/// A Redis server of Debian's package that syncs its log at every command, and one connection to
/// it over a Unix socket: what people take for a durable queue. It ends with this object. One
/// thread.
class redis_stream {
public:
  /// Starts `redis-server` with its files in a folder. @returns `unavailable` if it is not there.
  static result<redis_stream> start(const std::string& folder);

  redis_stream(redis_stream&& other) noexcept;
  ~redis_stream();

  /// Appends so many entries (XADD) in one write and waits for all answers, which come when they
  /// are synced.
  result<void> append_many(std::string_view payload, int count);

private:
  redis_stream(child_process server, int socket) : server_(std::move(server)), socket_(socket) {}

  result<void> send(std::string_view bytes);
  result<void> read_answers(int count);

  child_process server_;
  int socket_ = -1;
};

} // namespace luna::bench
