#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <sys/uio.h>

#include "base/result.hpp"

namespace luna::protocol {

/// A connected TCP socket whose calls block, but not for ever.
///
/// Contract: a deadline that passes is `timeout`, a connection that ended or cannot be made is
/// `unavailable`. TCP_NODELAY is on. One thread at a time.
class stream_socket {
public:
  using clock = std::chrono::steady_clock;

  stream_socket() = default;
  stream_socket(stream_socket&& other) noexcept;
  stream_socket& operator=(stream_socket&& other) noexcept;
  ~stream_socket();

  static result<stream_socket> connect(const std::string& host, uint16_t port,
                                       clock::time_point deadline);

  /// Writes all pieces; they are used up. @param patience longest wait without progress.
  result<void> write_all(std::span<iovec> pieces, std::chrono::milliseconds patience);

  /// Reads what is there, at least one byte. @pre `to` is not empty.
  result<size_t> read_some(std::span<std::byte> to, clock::time_point deadline);

  /// Says that nothing more will be written.
  void shut_down_writing();

  /// Closes the connection, with a reset if `hard`.
  void close(bool hard = false);

  int descriptor() const noexcept { return fd_; }

private:
  int fd_ = -1;
};

} // namespace luna::protocol
