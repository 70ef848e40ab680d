#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "protocol/frame.hpp"
#include "protocol/header_json.hpp"

namespace luna::protocol {

/// Who is there, and who may come in (docs/protocol.md, section 2).
///
/// The problem: a gateway that other machines can reach must let in only clients that know the
/// shared secret, without the secret ever crossing the wire, and a client must not hand its
/// pictures to an impostor. Both sides send a fresh nonce and prove by HMAC-SHA256 over both nonces
/// that they know the secret. Everything here is a pure function but `make_nonce` and
/// `read_secret`; safe on any thread.

/// 16 random bytes from the system as 32 lower-case hex digits.
std::string make_nonce();

/// Whether a text is 32 hex digits.
bool is_nonce(std::string_view text);

/// HMAC-SHA256 under `secret` of "luna-client:<server nonce>:<client nonce>", lower-case hex.
std::string client_proof(std::string_view secret, std::string_view server_nonce,
                         std::string_view client_nonce);

/// HMAC-SHA256 under `secret` of "luna-server:<client nonce>:<server nonce>", lower-case hex.
std::string server_proof(std::string_view secret, std::string_view server_nonce,
                         std::string_view client_nonce);

/// Compares two proofs in a time that depends on their lengths only; hex digits of either case.
bool equal_proofs(std::string_view x, std::string_view y);

/// The shared secret of a file: its bytes without one trailing newline (LF or CRLF).
/// @returns `not_permitted` naming the file if it cannot be read, has fewer than 16 bytes or more
/// than 64 KiB.
result<std::string> read_secret(const std::filesystem::path& file);

/// Whether only this machine can reach an address: "localhost", 127.0.0.0/8, ::1. Any other name is
/// taken for reachable.
bool is_loopback(std::string_view host);

/// A gateway that others can reach needs a secret. @returns `not_permitted` with what to do.
result<void> check_exposure(std::string_view host, bool has_secret);

// -- the three hellos ---

/// The server's first word.
struct server_greeting {
  std::string server; ///< "luna/0.1.0"
  int oldest = protocol_version;
  int newest = protocol_version;
  bool needs_proof = false;
  std::string nonce;
};

/// The client's answer.
struct client_hello {
  std::string client; ///< "name/version", at most 256 bytes, printable
  int64_t protocol = protocol_version;
  std::string nonce;
  std::string proof; ///< empty without a secret
};

/// What a client may count on, told by the server once both know each other.
struct server_welcome {
  std::string proof; ///< empty without a secret
  std::string node;
  std::string cluster;
  uint64_t max_body_bytes = 0;
  uint64_t max_header_bytes = 0;
  uint64_t max_in_flight = 0;
  std::vector<std::string> commands;
  std::vector<std::string> capabilities;
};

json to_json(const server_greeting& x);
json to_json(const client_hello& x);
json to_json(const server_welcome& x);

/// Reads a server's greeting; unknown fields are ignored. `protocol_mismatch` if it is none.
result<server_greeting> read_greeting(const json& x);

/// Reads a client's hello: `protocol_mismatch` if it names no protocol that we speak,
/// `unauthenticated` if anything else is missing or of a wrong kind. The proof is not checked here.
result<client_hello> read_client_hello(const json& x);

/// Reads a server's welcome; unknown fields are ignored. `protocol_mismatch` if it is none.
result<server_welcome> read_welcome(const json& x);

/// A server's decision on a client's hello: fine, or `unauthenticated`.
/// @param secret the shared secret, or nullptr if none is asked for.
result<void> admit(const client_hello& hello, std::string_view server_nonce,
                   const std::string* secret);

/// A client's answer to a greeting. A client that has a secret refuses a server that asks for none
/// (`unauthenticated`); one that has none refuses a server that asks for one.
result<client_hello> answer_greeting(const server_greeting& greeting, std::string client_name,
                                     const std::string* secret);

/// A client's decision on a welcome: fine, or `unauthenticated` if the server has not proved that
/// it knows the secret.
result<void> accept_welcome(const server_welcome& welcome, std::string_view server_nonce,
                            std::string_view client_nonce, const std::string* secret);

} // namespace luna::protocol
