#include "tls/tls_session.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <poll.h>

#include "tls/tls_problem.hpp"

namespace luna::tls {

namespace {

/// One call writes or reads at most this much, so that no connection holds the thread for long.
constexpr size_t max_step = size_t{1} << 20;

constexpr int verify_both_sides = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;

} // namespace

void tls_session::ssl_deleter::operator()(SSL* x) const noexcept {
  SSL_free(x);
}

tls_session::tls_session(std::shared_ptr<const tls_identity> identity, int descriptor, role side,
                         std::vector<std::string> expected)
  : identity_(std::move(identity)), ssl_(SSL_new(identity_->context())),
    expected_(std::move(expected)) {
  if (!ssl_)
    throw std::bad_alloc{};
  auto* ssl = ssl_.get();
  SSL_set_fd(ssl, descriptor);
  SSL_set_app_data(ssl, this);
  SSL_set_verify(ssl, verify_both_sides, &tls_session::judge);
  auto* rules = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT
                                           | X509_CHECK_FLAG_NO_WILDCARDS);
  for (auto& name : expected_)
    X509_VERIFY_PARAM_add1_host(rules, name.data(), name.size());
  if (side == role::dial)
    SSL_set_connect_state(ssl);
  else
    SSL_set_accept_state(ssl);
}

tls_session::~tls_session() = default;

/// Called for each certificate of the chain; notes the first that is refused.
int tls_session::judge(int good, X509_STORE_CTX* chain) {
  if (good == 1)
    return 1;
  auto* ssl =
    static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto& self = *static_cast<tls_session*>(SSL_get_app_data(ssl));
  auto error = X509_STORE_CTX_get_error(chain);
  auto depth = X509_STORE_CTX_get_error_depth(chain);
  auto* certificate = X509_STORE_CTX_get_current_cert(chain);
  // Of an authority only its dates say more than the node's own certificate does.
  if (error != X509_V_ERR_CERT_HAS_EXPIRED && error != X509_V_ERR_CERT_NOT_YET_VALID) {
    certificate = X509_STORE_CTX_get0_cert(chain);
    depth = 0;
  }
  if (certificate != nullptr)
    self.bad_certificate_ = explain_refusal(error, depth, facts_of(*certificate), self.expected_,
                                            std::chrono::system_clock::now());
  return 0;
}

/// Runs one call of OpenSSL between two empty error queues.
template <class Call>
step tls_session::run(Call call) {
  ERR_clear_error();
  errno = 0;
  auto outcome = call(ssl_.get());
  auto result = outcome == 1 ? step::done : failed(outcome);
  ERR_clear_error();
  return result;
}

step tls_session::failed(int outcome) {
  auto system_error = errno;
  switch (SSL_get_error(ssl_.get(), outcome)) {
  case SSL_ERROR_WANT_READ:
    return step::want_read;
  case SSL_ERROR_WANT_WRITE:
    return step::want_write;
  case SSL_ERROR_ZERO_RETURN:
    problem_ = "it hung up";
    break;
  case SSL_ERROR_SYSCALL:
    problem_ = system_error == 0
               ? std::string{"it hung up without a word"}
               : std::string{"the connection broke: "} + std::strerror(system_error);
    break;
  default:
    problem_ = !bad_certificate_.empty() ? bad_certificate_
                                         : explain_error(ERR_peek_error(), identity_->own(),
                                                         std::chrono::system_clock::now());
  }
  left_silently_ = BIO_number_read(SSL_get_rbio(ssl_.get())) == 0;
  return step::failed;
}

step tls_session::handshake() {
  auto result = run([](SSL* ssl) { return SSL_do_handshake(ssl); });
  if (result == step::done && proven_names_.empty())
    if (auto* certificate = SSL_get0_peer_certificate(ssl_.get()))
      std::copy_if(expected_.begin(), expected_.end(), std::back_inserter(proven_names_),
                   [&](auto& name) { return carries_name(*certificate, name); });
  return result;
}

step tls_session::read(std::span<std::byte> to, size_t& bytes) {
  bytes = 0;
  return run(
    [&](SSL* ssl) { return SSL_read_ex(ssl, to.data(), std::min(to.size(), max_step), &bytes); });
}

step tls_session::write(std::span<const std::byte> from, size_t& bytes) {
  bytes = 0;
  return run([&](SSL* ssl) {
    return SSL_write_ex(ssl, from.data(), std::min(from.size(), max_step), &bytes);
  });
}

size_t tls_session::pending() const {
  return static_cast<size_t>(std::max(SSL_pending(ssl_.get()), 0));
}

bool handshake_until(tls_session& session, int descriptor,
                     std::chrono::steady_clock::time_point deadline) {
  for (;;) {
    auto now = session.handshake();
    if (now == step::done || now == step::failed)
      return now == step::done;
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
    pollfd waiting{descriptor, static_cast<short>(now == step::want_read ? POLLIN : POLLOUT), 0};
    if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) == 0)
      return false;
  }
}

} // namespace luna::tls
