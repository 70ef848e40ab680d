#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "storage/s3/http.hpp"

namespace luna::storage::testing {

/// What becomes of one request.
enum class fate : uint8_t {
  answered,
  lost,        ///< it never arrives: no effect, no answer
  answer_lost, ///< it has its effect, and the answer is lost
  busy,        ///< 503 SlowDown, no effect
  refused,     ///< 403 AccessDenied, no effect
};

/// A bucket in memory, as its client sees it: objects, uploads in parts, conditional writes, lists
/// in pages; and every way in which a network or a server can fail. It looks at no signature: what
/// does is the server of the system tests.
class fake_bucket final : public s3::http_transport {
public:
  struct object {
    std::string bytes;
    std::map<std::string, std::string> headers; ///< content-type, x-amz-meta-*
    int writes = 0;                             ///< how often it was created or replaced
  };

  /// @param name of the bucket, addressed by path.
  explicit fake_bucket(std::string name) : name_(std::move(name)) {}

  tl::expected<s3::http_response, s3::no_answer> send(const s3::http_request& request) override;

  // -- the test's side ---------------------------------------------------------------------------

  /// Decides over the request with this number (from 1); none: all are answered.
  std::function<fate(uint64_t number, const s3::http_request&)> decide;

  bool honours_conditions = true; ///< If-None-Match
  size_t page = 1000;             ///< keys in one page of a list

  uint64_t requests() const { return requests_; }
  std::vector<std::string> seen() const { return seen_; } ///< "PUT /bucket/key"
  std::map<std::string, object>& objects() { return objects_; }
  size_t open_uploads() const { return uploads_.size(); }

  /// Begins an upload as a node that then crashed would have.
  void leave_upload(const std::string& key) { begin(key, {}); }

private:
  struct upload {
    std::string key;
    std::map<std::string, std::string> headers;
    std::map<int, std::string> parts;
  };

  using query_map = std::map<std::string, std::string>;

  s3::http_response handle(const s3::http_request& request);
  s3::http_response on_bucket(const s3::http_request& request, const query_map& query);
  s3::http_response list(const query_map& query);
  s3::http_response write(const std::string& key, std::string bytes,
                          std::map<std::string, std::string> headers, bool exclusive);
  s3::http_response complete(const std::string& id, bool exclusive);
  std::string begin(const std::string& key, std::map<std::string, std::string> headers);

  std::string name_;
  std::mutex mutex_;
  std::map<std::string, object> objects_;
  std::map<std::string, upload> uploads_;
  std::vector<std::string> seen_;
  uint64_t requests_ = 0;
  uint64_t last_upload_ = 0;
};

} // namespace luna::storage::testing
