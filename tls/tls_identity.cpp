#include "tls/tls_identity.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sys/stat.h>
#include <utility>

namespace luna::tls {

namespace {

constexpr auto warn_before = std::chrono::hours{24 * 30};

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

auto wrong(const char* key, const std::string& path, const std::string& what) {
  return fail(ec::bad_request,
              std::string{"cluster.tls."} + key + ": the file " + path + " " + what);
}

int give_passphrase(char* to, int size, int, void* from) {
  auto& text = *static_cast<const std::string*>(from);
  auto n = std::min(text.size(), static_cast<size_t>(std::max(size, 0)));
  std::memcpy(to, text.data(), n);
  return static_cast<int>(n);
}

/// Both ends are luna, so nothing older than TLS 1.3. Tickets would only be resumed by sessions
/// that live for weeks anyway.
void configure(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

result<void> load(SSL_CTX* context, const tls_options& from) {
  if (SSL_CTX_load_verify_locations(context, from.ca.c_str(), nullptr) != 1)
    return wrong("ca", from.ca, "holds no certificate of an authority: " + last_problem());
  if (SSL_CTX_use_certificate_chain_file(context, from.certificate.c_str()) != 1)
    return wrong("certificate", from.certificate, "is no certificate: " + last_problem());
  if (SSL_CTX_use_PrivateKey_file(context, from.key.c_str(), SSL_FILETYPE_PEM) != 1)
    return wrong("key", from.key,
                 "is no key, not that of the certificate, or needs a passphrase-file: "
                   + last_problem());
  if (SSL_CTX_check_private_key(context) != 1)
    return wrong("key", from.key, "does not belong to " + from.certificate + ": " + last_problem());
  return {};
}

} // namespace

void tls_identity::context_deleter::operator()(SSL_CTX* x) const noexcept {
  SSL_CTX_free(x);
}

result<std::shared_ptr<const tls_identity>> tls_identity::read(const tls_options& options) {
  for (auto [key, path] :
       {std::pair{"ca", &options.ca}, std::pair{"certificate", &options.certificate},
        std::pair{"key", &options.key}})
    if (auto ok = readable(key, *path); !ok)
      return fail(ok);
  auto identity = std::make_shared<tls_identity>();
  ERR_clear_error();
  identity->context_.reset(SSL_CTX_new(TLS_method()));
  auto* context = identity->context();
  if (context == nullptr)
    return fail(ec::internal, "OpenSSL cannot start: " + last_problem());
  configure(context);
  SSL_CTX_set_default_passwd_cb(context, give_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(context, const_cast<std::string*>(&options.passphrase));
  auto loaded = load(context, options);
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr); // the text is the caller's
  if (!loaded)
    return fail(loaded);
  auto* certificate = SSL_CTX_get0_certificate(context);
  identity->file_ = options.certificate;
  identity->own_ = facts_of(*certificate);
  if (!carries_name(*certificate, options.node))
    return wrong("certificate", options.certificate,
                 "does not carry this node's name: its subjectAltName has "
                   + names_of(identity->own_) + ", and the other nodes expect DNS:" + options.node);
  return identity;
}

std::string tls_identity::warning(time_point now) const {
  auto about = "this node's certificate " + file_ + " (" + describe(own_) + ") ";
  if (now > own_.not_after)
    return about + "has expired; no other node will accept it. This machine's clock says "
         + to_text(now);
  if (now < own_.not_before)
    return about + "is not valid yet; no other node will accept it. This machine's clock says "
         + to_text(now);
  if (now + warn_before < own_.not_after)
    return "";
  auto days = std::chrono::duration_cast<std::chrono::hours>(own_.not_after - now).count() / 24;
  return about + "expires in " + std::to_string(days) + (days == 1 ? " day" : " days")
       + "; a new one is used as soon as it lies there";
}

// -- identity_source ---

result<std::shared_ptr<identity_source>> identity_source::open(tls_options options,
                                                               reporter report) {
  std::shared_ptr<identity_source> source{
    new identity_source{std::move(options), std::move(report)}};
  source->stamp_ = source->stamp();
  auto identity = tls_identity::read(source->options_);
  if (!identity)
    return fail(identity);
  source->identity_ = std::move(*identity);
  return source;
}

std::string identity_source::stamp() const {
  std::string text;
  for (auto* path : {&options_.ca, &options_.certificate, &options_.key}) {
    struct stat file{};
    if (::stat(path->c_str(), &file) == 0)
      for (auto x :
           {static_cast<int64_t>(file.st_ino), static_cast<int64_t>(file.st_size),
            static_cast<int64_t>(file.st_mtim.tv_sec), static_cast<int64_t>(file.st_mtim.tv_nsec)})
        text += std::to_string(x) + " ";
    text += ";";
  }
  return text;
}

std::shared_ptr<const tls_identity> identity_source::current() {
  std::lock_guard guard{mutex_};
  if (auto now = stamp(); now != stamp_) {
    stamp_ = std::move(now);
    if (auto identity = tls_identity::read(options_))
      identity_ = std::move(*identity);
    else
      report_("the new TLS files cannot be used, the old ones stay in force: "
              + identity.error().message);
  }
  return identity_;
}

} // namespace luna::tls
