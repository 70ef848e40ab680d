#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <sys/socket.h>
#include <sys/uio.h>

namespace luna {

/// The few calls on sockets that CAF's brokers do not offer.
///
/// The problem: a broker copies what it sends into a buffer of its own, zero-fills what it receives
/// into, keeps both as long as the connection lives, and cannot close a connection whose client
/// neither reads nor goes away. All of that matters for pictures and for hostile clients.
///
/// Contract: descriptors stay the property of whoever opened them; nothing here blocks. Thread
/// rule: free functions without state.

/// The port that a socket has, if it has one.
std::optional<uint16_t> bound_port(int descriptor);

/// An IPv4 or IPv6 address as text; IPv4 in IPv6 is IPv4.
std::string address_text(const sockaddr* address);

/// The address of a connection's other side as one that can be judged: IPv4 whole, of IPv6 the
/// first 64 bits ("2001:db8:1:2::/64"), for one machine has all addresses behind them. "unknown" if
/// the connection has broken.
std::string peer_address(int descriptor);

/// Writes what the socket takes now. @returns the bytes, 0 if it is full; nothing if it is broken.
std::optional<size_t> write_some(int descriptor, std::span<iovec> pieces);

/// Reads what has arrived. @returns the bytes, 0 if none have; nothing if it is over or broken.
std::optional<size_t> read_some(int descriptor, std::span<std::byte> to);

/// Sends what is on its way, then the end of the stream.
void end_writing(int descriptor);

/// Ends both directions; what has not been acknowledged may be lost.
void break_connection(int descriptor);

} // namespace luna
