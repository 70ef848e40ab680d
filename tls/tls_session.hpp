#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tls/certificate.hpp"
#include "tls/tls_identity.hpp"

struct ssl_st;            // OpenSSL's SSL
struct x509_store_ctx_st; // OpenSSL's X509_STORE_CTX

namespace luna::tls {

enum class role { dial, accept };

/// What a call came to.
enum class step {
  done,
  want_read,  ///< again when the socket is readable
  want_write, ///< again when it is writable
  failed      ///< the connection is over; `problem` says why
};

/// One mutually authenticated connection between two nodes, over a non-blocking socket.
///
/// The problem: OpenSSL keeps its errors in a queue of the thread, and SSL_get_error takes whatever
/// lies there for the failure of the connection that it is asked about. Where one thread serves
/// many connections, one that fails brings down its neighbours. And a refused certificate is told
/// to nobody who could mend it.
///
/// Contract: the queue is empty before and after each call, so that a failure stays with its
/// connection. The other side must show a certificate of an authority in `ca` that carries one of
/// the names in `expected` as a DNS name. `problem` is a sentence for the log of this node: who
/// sees a bad certificate says which and why; whose own is refused gets the alert and what is to
/// see in it. The descriptor stays the caller's and outlives the session. SIGPIPE must be ignored.
/// Thread rule: one thread at a time.
class tls_session {
public:
  tls_session(std::shared_ptr<const tls_identity> identity, int descriptor, role side,
              std::vector<std::string> expected);
  tls_session(const tls_session&) = delete;
  tls_session& operator=(const tls_session&) = delete;
  ~tls_session();

  /// @post `done`: the other side is who it should be, as far as this side can know. With TLS 1.3
  /// the side that dials learns from its first read whether its own certificate was accepted.
  step handshake();

  /// Reads what has arrived. @param bytes how much, 0 unless `done`.
  step read(std::span<std::byte> to, size_t& bytes);

  /// Writes what the socket takes. After `want_write` the same bytes must come again.
  step write(std::span<const std::byte> from, size_t& bytes);

  /// Bytes that were read from the socket and wait in the session.
  size_t pending() const;

  /// Why the last call failed: follows "the connection of X was refused: ".
  const std::string& problem() const noexcept { return problem_; }

  /// Whether the other side hung up before it had said anything.
  bool left_silently() const noexcept { return left_silently_; }

  /// Which of the expected names the certificate of the other side carries. @pre handshake is done
  const std::vector<std::string>& proven_names() const noexcept { return proven_names_; }

private:
  static int judge(int good, x509_store_ctx_st* chain);

  template <class Call>
  step run(Call call);
  step failed(int outcome);

  struct ssl_deleter {
    void operator()(ssl_st* x) const noexcept;
  };

  std::shared_ptr<const tls_identity> identity_;
  std::unique_ptr<ssl_st, ssl_deleter> ssl_;
  std::vector<std::string> expected_;
  std::vector<std::string> proven_names_;
  std::string bad_certificate_; ///< what `judge` found
  std::string problem_;
  bool left_silently_ = false;
};

/// Waits for the handshake of a session, at most until `deadline`.
/// @returns whether it is done; if not and `problem` is empty, the time was over.
bool handshake_until(tls_session& session, int descriptor,
                     std::chrono::steady_clock::time_point deadline);

} // namespace luna::tls
