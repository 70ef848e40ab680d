#include "nodes/tls_files.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

namespace luna {

namespace {

using context_pointer = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

/// What OpenSSL says of the last call that failed.
std::string last_problem() {
  auto code = ERR_peek_last_error();
  ERR_clear_error();
  auto* reason = ERR_reason_error_string(code);
  return reason ? reason : "no reason given";
}

result<void> readable(const char* key, const std::string& path) {
  errno = 0;
  if (std::ifstream{path})
    return {};
  return fail(ec::not_permitted, std::string{"cluster.tls."} + key + ": the file " + path
                                   + " cannot be read: " + std::strerror(errno));
}

failure wrong(const char* key, const std::string& path, const std::string& what) {
  return {ec::bad_request,
          std::string{"cluster.tls."} + key + ": the file " + path + " " + what + ": "
            + last_problem(),
          0,
          {}};
}

} // namespace

std::string read_passphrase(const tls_configuration& tls) {
  std::string line;
  if (!tls.passphrase_file.empty())
    std::getline(std::ifstream{tls.passphrase_file} >> std::ws, line);
  return line;
}

result<void> check_tls_files(const tls_configuration& tls) {
  if (!tls.enabled())
    return {};
  for (auto [key, path] : {std::pair{"ca", &tls.ca}, std::pair{"certificate", &tls.certificate},
                           std::pair{"key", &tls.key}})
    if (auto ok = readable(key, *path); !ok)
      return ok;
  if (!tls.passphrase_file.empty())
    if (auto ok = readable("passphrase-file", tls.passphrase_file); !ok)
      return ok;
  context_pointer context{SSL_CTX_new(TLS_method()), &SSL_CTX_free};
  if (!context)
    return fail(ec::internal, "OpenSSL cannot start: " + last_problem());
  auto passphrase = read_passphrase(tls);
  SSL_CTX_set_default_passwd_cb(context.get(), [](char* to, int size, int, void* from) {
    auto& text = *static_cast<const std::string*>(from);
    auto n = std::min(static_cast<int>(text.size()), size);
    std::memcpy(to, text.data(), static_cast<size_t>(n));
    return n;
  });
  SSL_CTX_set_default_passwd_cb_userdata(context.get(), &passphrase);
  if (SSL_CTX_load_verify_locations(context.get(), tls.ca.c_str(), nullptr) != 1)
    return tl::make_unexpected(wrong("ca", tls.ca, "holds no certificate of an authority"));
  if (SSL_CTX_use_certificate_chain_file(context.get(), tls.certificate.c_str()) != 1)
    return tl::make_unexpected(wrong("certificate", tls.certificate, "is no certificate"));
  if (SSL_CTX_use_PrivateKey_file(context.get(), tls.key.c_str(), SSL_FILETYPE_PEM) != 1)
    return tl::make_unexpected(
      wrong("key", tls.key, "is no key, not that of the certificate, or needs a passphrase-file"));
  if (SSL_CTX_check_private_key(context.get()) != 1)
    return tl::make_unexpected(wrong("key", tls.key, "does not belong to " + tls.certificate));
  return {};
}

} // namespace luna
