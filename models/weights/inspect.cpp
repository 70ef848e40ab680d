#include "models/weights/inspect.hpp"

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

#include "models/weights/checkpoint.hpp"

namespace luna::models {

namespace {

/// SHA-256, fed in pieces.
class sha256 {
public:
  using digest = std::array<unsigned char, 32>;

  sha256() : context_(EVP_MD_CTX_new()) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }

  void add(const void* bytes, size_t size) { EVP_DigestUpdate(context_.get(), bytes, size); }

  digest finish() {
    digest value{};
    EVP_DigestFinal_ex(context_.get(), value.data(), nullptr);
    return value;
  }

private:
  struct deleter {
    void operator()(EVP_MD_CTX* x) const { EVP_MD_CTX_free(x); }
  };
  std::unique_ptr<EVP_MD_CTX, deleter> context_;
};

std::string text_of(const sha256::digest& digest) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string text = "sha256:";
  for (auto byte : digest) {
    text += hex[byte >> 4];
    text += hex[byte & 15];
  }
  return text;
}

struct descriptor {
  int number;
  ~descriptor() {
    if (number >= 0)
      ::close(number);
  }
};

result<sha256::digest> hash_file(const model_file& file, const std::stop_token& stop) {
  auto cannot_read = [&] {
    return fail(ec::unknown_model, "the model file " + file.path.string()
                                     + " cannot be read: " + std::strerror(errno));
  };
  descriptor in{::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (in.number < 0)
    return cannot_read();
  sha256 hash;
  if (auto ok = check_unchanged(file, in.number); !ok)
    return fail(ok);
  std::string block(size_t{1} << 20, '\0');
  for (;;) {
    if (stop.stop_requested())
      return fail(ec::cancelled, "the work was cancelled");
    auto n = ::read(in.number, block.data(), block.size());
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return cannot_read();
    if (n == 0)
      break;
    hash.add(block.data(), static_cast<size_t>(n));
  }
  if (auto ok = check_unchanged(file, in.number); !ok)
    return fail(ok);
  return hash.finish();
}

} // namespace

result<std::string> hash_model(std::span<const model_file> files, std::stop_token stop) {
  sha256 all;
  for (auto& file : files) {
    auto one = hash_file(file, stop);
    if (!one)
      return fail(one);
    if (files.size() == 1)
      return text_of(*one);
    all.add(one->data(), one->size());
  }
  return text_of(all.finish());
}

} // namespace luna::models
