#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "tls/certificate.hpp"

struct ssl_ctx_st; // OpenSSL's SSL_CTX

namespace luna::tls {

/// Where this node's certificate lies, and whose it is.
struct tls_options {
  std::string ca; ///< certificates of the authorities
  std::string certificate;
  std::string key;
  std::string passphrase;
  std::string node; ///< the name that the certificate must carry
};

/// This node's certificate, its key and the authorities, as they were read. Immutable, so any
/// thread.
class tls_identity {
public:
  /// @returns `not_permitted` or `bad_request` that names the key of the configuration, the file
  /// and what is wrong with it, also if the certificate does not carry the node's name. Dates are
  /// not looked at: a clock may be put right while the node runs.
  static result<std::shared_ptr<const tls_identity>> read(const tls_options& options);

  ssl_ctx_st* context() const noexcept { return context_.get(); }
  const certificate_facts& own() const noexcept { return own_; }

  /// What an operator should know at start: expired, not valid yet, or about to expire within 30
  /// days; empty otherwise.
  std::string warning(time_point now) const;

private:
  struct context_deleter {
    void operator()(ssl_ctx_st* x) const noexcept;
  };

  std::string file_;
  std::unique_ptr<ssl_ctx_st, context_deleter> context_;
  certificate_facts own_;
};

/// Gives the identity as it lies on disk.
///
/// The problem: certificates are renewed while nodes run. The three files are looked at for each
/// new connection (their inode, size and time), and read again when one has changed.
///
/// Contract: if what lies there now cannot be used, the last good identity stays in force, and
/// `report` is told once for each change. Thread rule: any thread.
class identity_source {
public:
  using reporter = std::function<void(const std::string&)>;

  /// @returns what tls_identity::read says of the files now.
  static result<std::shared_ptr<identity_source>> open(tls_options options, reporter report);

  std::shared_ptr<const tls_identity> current();

private:
  identity_source(tls_options options, reporter report)
    : options_(std::move(options)), report_(std::move(report)) {}

  std::string stamp() const;

  const tls_options options_;
  const reporter report_;
  std::mutex mutex_;
  std::string stamp_; ///< of the files when they were last read
  std::shared_ptr<const tls_identity> identity_;
};

} // namespace luna::tls
