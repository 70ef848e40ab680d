#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "storage/s3/http.hpp"
#include "storage/s3/sigv4.hpp"

namespace luna::storage::s3 {

/// A bucket, and how it is spoken to.
struct s3_options {
  std::string endpoint; ///< "https://s3.eu-central-1.amazonaws.com", no path
  std::string bucket;
  std::string region = "us-east-1";
  std::string prefix;           ///< of all keys, "" or "a/b"
  bool virtual_host = false;    ///< bucket.host/key instead of host/bucket/key
  bool conditional_puts = true; ///< the store honours If-None-Match; false: it is asked first
  std::string credentials_file; ///< "" = the environment
  std::string ca_file;          ///< "" = the system's authorities
  uint64_t multipart_above = uint64_t{64} << 20;
  uint64_t part_bytes = uint64_t{16} << 20;
  std::chrono::milliseconds timeout{30000}; ///< without a byte in either direction
  uint32_t tries = 4;                       ///< of one request, before the target counts as away
};

/// What a client needs of the world; tests give their own.
struct s3_surroundings {
  std::shared_ptr<http_transport> transport;
  std::function<std::chrono::sys_seconds()> clock;
  std::function<void(std::chrono::milliseconds)> pause;
  std::function<double()> random; ///< 0 to 1
};

/// libcurl, the wall clock, and real pauses.
s3_surroundings real_surroundings(const s3_options& options);

/// What is known of an object that luna has written; others' have empty texts.
struct object_facts {
  uint64_t size = 0;
  std::string digest; ///< x-amz-meta-luna-sha256
  std::string owner;  ///< x-amz-meta-luna-job
};

/// An object that is to be written.
struct object_spec {
  std::string key;
  std::string type;   ///< "image/png"
  std::string digest; ///< SHA-256 in hex
  std::string owner;
  bool exclusive = false; ///< not if there is one of that key
};

enum class put_outcome : uint8_t {
  written,
  taken, ///< exclusive, and there is one
  gone,  ///< of an upload: it does not exist (any more)
};

/// The requests of S3's API that a target needs.
///
/// Contract: a request is tried `tries` times when no answer comes, on 5xx, 429 and answers that
/// ask for it (Retry-After up to 5 s), with pauses that double from 200 ms and a random share. What
/// is then left is a failure: `unavailable` and `not_permitted` speak of the store as a whole (no
/// answer, overloaded, wrong keys, no such bucket), `bad_request` of this object. Messages name the
/// store, what it said and what to do; credentials are in none of them.
///
/// Thread rule: any thread, also several at the same time.
class s3_client {
public:
  s3_client(s3_options options, s3_surroundings world);

  const s3_options& options() const noexcept { return options_; }

  result<std::optional<object_facts>> head(const std::string& key) const;

  /// @param hash of the body: SHA-256 in hex.
  result<put_outcome> put(const object_spec& spec, std::span<const std::byte> body) const;

  /// Keys that begin with `prefix`, without those below a further "/". One try, a few seconds.
  result<std::vector<std::string>> list(const std::string& prefix) const;

  // -- multipart ---------------------------------------------------------------------------------

  struct upload {
    std::string key;
    std::string id;
  };

  /// Uploads of exactly this key that nobody has completed or aborted.
  result<std::vector<upload>> uploads_of(const std::string& key) const;

  result<upload> begin_upload(const object_spec& spec) const;

  /// @param number from 1. @returns its ETag.
  result<std::string> upload_part(const upload& to, uint32_t number,
                                  std::span<const std::byte> body) const;

  result<put_outcome> complete_upload(const upload& x, const std::vector<std::string>& etags,
                                      bool exclusive) const;

  /// Fine if it is gone already.
  result<void> abort_upload(const upload& x) const;

private:
  /// One request before it is signed.
  struct call {
    std::string method{};
    std::string key{}; ///< "" = the bucket
    name_values query{};
    name_values headers{};
    std::span<const std::byte> body{};
    std::string body_hash{};               ///< "" = worked out
    uint32_t tries = 0;                    ///< 0 = those of the options
    std::chrono::milliseconds patience{0}; ///< of one try; 0 = by the body's size
  };

  result<http_response> send(const call& x) const;
  result<http_request> signed_request(const call& x) const;
  failure refusal(const call& x, const http_response& answer) const;

  s3_options options_;
  s3_surroundings world_;
  std::string origin_;
  std::string host_;
};

} // namespace luna::storage::s3
