#pragma once

#include <boost/test/unit_test.hpp>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "tls/tls_identity.hpp"

namespace luna::testing {

/// A folder that goes with the test.
class scratch_folder {
public:
  scratch_folder() {
    auto name = (std::filesystem::temp_directory_path() / "luna-tls-XXXXXX").string();
    BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~scratch_folder() { std::filesystem::remove_all(path); }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;

  std::filesystem::path path;
};

using key_pointer = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using certificate_pointer = std::unique_ptr<X509, decltype(&X509_free)>;

/// What a certificate is issued with; the times count from now.
struct wanted_certificate {
  std::string common_name;
  std::string alternative_names; ///< as in openssl.cnf, "" = none
  std::chrono::seconds begins = -std::chrono::hours{1};
  std::chrono::seconds ends = std::chrono::hours{24 * 365};
  std::string usage{}; ///< extendedKeyUsage, "" = none
};

/// A certificate authority, and what it has issued, as files in a folder.
class authority {
public:
  authority(const scratch_folder& folder, const std::string& name)
    : folder_(folder.path / name), key_(EVP_EC_gen("P-256"), &EVP_PKEY_free) {
    std::filesystem::create_directory(folder_);
    wanted_certificate own{name + " CA", "", -std::chrono::hours{1}, std::chrono::hours{24 * 3650},
                           ""};
    certificate_ = make(own, key_.get(), nullptr);
    add(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
    sign(certificate_.get());
    ca_file = write("ca.pem", certificate_.get());
  }

  /// Issues a certificate for a node and writes it with its key. @returns what the node is started
  /// with.
  tls::tls_options issue(const std::string& node) {
    return issue(node, {node, "DNS:" + node + ",IP:127.0.0.1"});
  }

  tls::tls_options issue(const std::string& node, const wanted_certificate& wanted) {
    key_pointer key{EVP_EC_gen("P-256"), &EVP_PKEY_free};
    auto certificate = make(wanted, key.get(), certificate_.get());
    if (!wanted.alternative_names.empty())
      add(certificate.get(), NID_subject_alt_name, wanted.alternative_names);
    if (!wanted.usage.empty())
      add(certificate.get(), NID_ext_key_usage, wanted.usage);
    sign(certificate.get());
    auto file = node + std::to_string(++serial_);
    auto key_file = (folder_ / (file + ".key")).string();
    std::unique_ptr<std::FILE, decltype(&std::fclose)> out{std::fopen(key_file.c_str(), "w"),
                                                           &std::fclose};
    BOOST_REQUIRE_EQUAL(
      PEM_write_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
    return {ca_file, write(file + ".pem", certificate.get()), key_file, "", node};
  }

  std::string ca_file;

private:
  certificate_pointer make(const wanted_certificate& wanted, EVP_PKEY* key, X509* issuer) {
    certificate_pointer x{X509_new(), &X509_free};
    X509_set_version(x.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x.get()), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(x.get()), wanted.begins.count());
    X509_gmtime_adj(X509_getm_notAfter(x.get()), wanted.ends.count());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x.get()), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(wanted.common_name.c_str()),
                               -1, -1, 0);
    X509_set_issuer_name(x.get(), X509_get_subject_name(issuer ? issuer : x.get()));
    X509_set_pubkey(x.get(), key);
    return x;
  }

  static void add(X509* x, int what, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, x, x, nullptr, nullptr, 0);
    std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension{
      X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str()), &X509_EXTENSION_free};
    BOOST_REQUIRE(extension);
    X509_add_ext(x, extension.get(), -1);
  }

  void sign(X509* x) { BOOST_REQUIRE_GT(X509_sign(x, key_.get(), EVP_sha256()), 0); }

  std::string write(const std::string& name, X509* x) {
    auto path = (folder_ / name).string();
    std::unique_ptr<std::FILE, decltype(&std::fclose)> out{std::fopen(path.c_str(), "w"),
                                                           &std::fclose};
    BOOST_REQUIRE_EQUAL(PEM_write_X509(out.get(), x), 1);
    return path;
  }

  std::filesystem::path folder_;
  key_pointer key_;
  certificate_pointer certificate_{nullptr, &X509_free};
  long serial_ = 0;
};

} // namespace luna::testing
