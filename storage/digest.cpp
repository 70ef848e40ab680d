#include "storage/digest.hpp"

#include <openssl/evp.h>

#include <stdexcept>

namespace luna::storage {

struct sha256::impl {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~impl() { EVP_MD_CTX_free(context); }
};

namespace {

/// SHA-256 is part of every OpenSSL: a failure here is an impossible state.
void require(int ok) {
  if (ok != 1)
    throw std::logic_error("OpenSSL has no SHA-256");
}

} // namespace

sha256::sha256() : impl_(std::make_unique<impl>()) {
  require(EVP_DigestInit_ex(impl_->context, EVP_sha256(), nullptr));
}

sha256::~sha256() = default;

void sha256::add(std::span<const std::byte> bytes) {
  require(EVP_DigestUpdate(impl_->context, bytes.data(), bytes.size()));
}

void sha256::add_field(std::string_view text) {
  uint64_t size = text.size();
  add(std::as_bytes(std::span{&size, 1}));
  add(std::as_bytes(std::span{text}));
}

sha256_digest sha256::finish() {
  sha256_digest digest;
  require(
    EVP_DigestFinal_ex(impl_->context, reinterpret_cast<unsigned char*>(digest.data()), nullptr));
  return digest;
}

sha256_digest sha256::of(std::span<const std::byte> bytes) {
  sha256 x;
  x.add(bytes);
  return x.finish();
}

} // namespace luna::storage
