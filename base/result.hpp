#pragma once

#include <tl/expected.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "base/error_code.hpp"

namespace luna {

/// Why something could not be done: an error frame before it is written.
struct failure {
  ec code = ec::internal;

  /// One sentence that names the thing and says what to do.
  std::string message;

  /// For retryable codes: when to try again; 0 if there is no hint.
  uint32_t retry_after_ms = 0;

  /// A JSON object with machine-readable facts, or empty.
  std::string details;

  friend bool operator==(const failure&, const failure&) = default;
};

/// A value, or why there is none. Bad input and the environment's failures are values; exceptions
/// stay inside the libraries that throw them.
template <class T>
using result = tl::expected<T, failure>;

/// Makes the error side of a result: `return fail(ec::bad_request, "...")`.
inline tl::unexpected<failure> fail(ec code, std::string message) {
  return tl::make_unexpected(failure{code, std::move(message), 0, {}});
}

/// The same with a hint when to come back.
inline tl::unexpected<failure> fail(ec code, std::string message,
                                    std::chrono::milliseconds retry_after) {
  return tl::make_unexpected(
    failure{code, std::move(message), static_cast<uint32_t>(retry_after.count()), {}});
}

/// Hands on the error of another result.
template <class T>
tl::unexpected<failure> fail(const result<T>& other) {
  return tl::make_unexpected(other.error());
}

} // namespace luna
