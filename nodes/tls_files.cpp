#include "nodes/tls_files.hpp"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>

namespace luna {

namespace {

/// What the sessions need, with the first line of the passphrase file.
result<tls::tls_options> options_of(const tls_configuration& tls, const std::string& node) {
  tls::tls_options options{tls.ca, tls.certificate, tls.key, "", node};
  if (tls.passphrase_file.empty())
    return options;
  errno = 0;
  std::ifstream file{tls.passphrase_file};
  if (!file)
    return fail(ec::not_permitted, "cluster.tls.passphrase-file: the file " + tls.passphrase_file
                                     + " cannot be read: " + std::strerror(errno));
  std::getline(file >> std::ws, options.passphrase);
  return options;
}

} // namespace

result<void> check_tls_files(const tls_configuration& tls, const std::string& node) {
  if (!tls.enabled())
    return {};
  auto options = options_of(tls, node);
  if (!options)
    return fail(options);
  auto identity = tls::tls_identity::read(*options);
  if (!identity)
    return fail(identity);
  return {};
}

result<std::shared_ptr<tls::identity_source>> open_tls(const tls_configuration& tls,
                                                       const std::string& node) {
  if (!tls.enabled())
    return nullptr;
  auto options = options_of(tls, node);
  if (!options)
    return fail(options);
  auto source = tls::identity_source::open(
    std::move(*options), [](const std::string& text) { spdlog::error("{}", text); });
  if (source)
    if (auto text = (*source)->current()->warning(std::chrono::system_clock::now()); !text.empty())
      spdlog::warn("{}", text);
  return source;
}

} // namespace luna
