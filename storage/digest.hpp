#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "storage/job_types.hpp"

namespace luna::storage {

/// SHA-256 over bytes that come in parts. Thread rule: one owner.
class sha256 {
public:
  sha256();
  ~sha256();

  void add(std::span<const std::byte> bytes);

  /// A length and the bytes, so that "ab" + "c" differs from "a" + "bc".
  void add_field(std::string_view text);

  sha256_digest finish();

  static sha256_digest of(std::span<const std::byte> bytes);

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace luna::storage
