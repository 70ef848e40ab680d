#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/s3/credentials.hpp"

/// AWS Signature Version 4: the request in a canonical form, hashed, signed with a key that is
/// derived from the secret, the day, the region and the service.
/// Thread rule: free functions without state.
namespace luna::storage::s3 {

using name_values = std::vector<std::pair<std::string, std::string>>;

/// What is signed.
struct signable {
  std::string method;
  std::string path;      ///< percent-encoded, as it is sent
  name_values query;     ///< plain, in any order
  name_values headers;   ///< names in small letters; all of them are signed
  std::string body_hash; ///< SHA-256 in hex
};

struct signing_scope {
  std::string region;
  std::string service; ///< "s3"
};

/// Percent-encoded: all but letters, digits and "-._~" (and "/" if it is kept), in UTF-8's bytes.
std::string percent_encoded(std::string_view text, bool keep_slashes);

/// "a=1&b=2": encoded and sorted, as it is signed and sent.
std::string canonical_query(const name_values& query);

/// "20150830T123600Z"
std::string amz_date(std::chrono::sys_seconds time);

std::string canonical_request(const signable& x);

/// The value of the header `authorization`.
/// @param date that of the header x-amz-date.
std::string authorization(const signable& x, const credentials& with, const signing_scope& scope,
                          const std::string& date);

/// SHA-256 in hex.
std::string hex_digest(std::span<const std::byte> bytes);
std::string hex(std::span<const std::byte> bytes);

} // namespace luna::storage::s3
