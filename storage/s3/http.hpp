#pragma once

#include <tl/expected.hpp>

#include <chrono>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// The one seam between luna's storage and a network.
///
/// The problem: what a target promises about answers that are lost, servers that are overloaded and
/// uploads that break off can only be tested if a test can cause them between any two requests.
///
/// Thread rule: a transport may be used by several threads at the same time.
namespace luna::storage::s3 {

struct http_request {
  std::string method; ///< GET, HEAD, PUT, POST, DELETE
  std::string origin; ///< "https://host:port"
  std::string path;   ///< begins with "/", percent-encoded
  std::string query;  ///< without "?", percent-encoded, may be empty
  std::vector<std::pair<std::string, std::string>> headers; ///< names in small letters
  std::span<const std::byte> body;
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::milliseconds stall_timeout{30000}; ///< without a byte in either direction
  std::chrono::milliseconds total_timeout{60000};
};

struct http_response {
  int status = 0;
  std::map<std::string, std::string> headers; ///< names in small letters
  std::string body;
};

/// No answer came: the sentence for people. Whether the request had its effect is unknown.
struct no_answer {
  std::string message;
};

class http_transport {
public:
  virtual ~http_transport() = default;

  /// Sends one request and waits for the whole answer, at most `total_timeout`. Follows no
  /// redirection.
  virtual tl::expected<http_response, no_answer> send(const http_request& request) = 0;
};

} // namespace luna::storage::s3
