#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <sys/uio.h>

#include "messages/result.hpp"

namespace luna {

/// The few calls on sockets that CAF's brokers do not offer.
///
/// The problem: a broker copies what it sends into a buffer of its own, zero-fills what it receives
/// into, keeps both as long as the connection lives, and cannot close a connection whose client
/// neither reads nor goes away. All of that matters for pictures and for hostile clients.
///
/// Contract: descriptors stay the property of whoever opened them; nothing here blocks but the
/// resolution of a name in listen_on. Thread rule: free functions without state.

/// A socket that listens; closes it when it goes.
class listening_socket {
public:
  /// Listens at a name or address. Accepted connections have keepalive and no delay.
  /// @param port 0: any.
  /// @returns `unavailable` with the reason.
  static result<listening_socket> listen_on(const std::string& host, uint16_t port);

  listening_socket() = default;
  listening_socket(listening_socket&& other) noexcept;
  listening_socket& operator=(listening_socket&& other) noexcept;
  ~listening_socket();

  /// As bound.
  uint16_t port() const noexcept { return port_; }

  /// Hands the descriptor to the caller, who closes it.
  int release() noexcept;

private:
  int descriptor_ = -1;
  uint16_t port_ = 0;
};

/// Writes what the socket takes now. @returns the bytes, 0 if it is full; nothing if it is broken.
std::optional<size_t> write_some(int descriptor, std::span<iovec> pieces);

/// Reads what has arrived. @returns the bytes, 0 if none have; nothing if it is over or broken.
std::optional<size_t> read_some(int descriptor, std::span<std::byte> to);

/// Sends what is on its way, then the end of the stream.
void end_writing(int descriptor);

/// Ends both directions; what has not been acknowledged may be lost.
void break_connection(int descriptor);

} // namespace luna
