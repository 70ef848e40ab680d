#pragma once

#include <tl/expected.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"

namespace luna::storage {

/// What an operating system's refusal means to us; the rest of errno is `other`.
enum class io_kind : uint8_t {
  not_found,     ///< ENOENT
  exists,        ///< EEXIST, ENOTEMPTY
  no_space,      ///< ENOSPC, EDQUOT, EFBIG
  no_permission, ///< EACCES, EPERM
  read_only,     ///< EROFS
  is_link,       ///< ELOOP: a symbolic link where none is followed
  not_directory, ///< ENOTDIR
  bad_name,      ///< ENAMETOOLONG, EINVAL for a name, "..", "/" in a component
  locked,        ///< EWOULDBLOCK of a lock
  broken,        ///< EIO and everything that says the medium failed
  not_supported, ///< EOPNOTSUPP: this file system cannot do that
  other,
};

std::string_view to_string(io_kind kind);

/// Why one file operation failed: the class for decisions, the sentence for people.
struct io_failure {
  io_kind kind = io_kind::other;

  /// For instance: "cannot write /data/log/1.log: No space left on device".
  std::string message;

  friend bool operator==(const io_failure&, const io_failure&) = default;
};

template <class T>
using io_result = tl::expected<T, io_failure>;

inline tl::unexpected<io_failure> io_fail(io_kind kind, std::string message) {
  return tl::make_unexpected(io_failure{kind, std::move(message)});
}

template <class T>
tl::unexpected<io_failure> io_fail(const io_result<T>& other) {
  return tl::make_unexpected(other.error());
}

/// The failure that a client sees: no_space is `overloaded` (retryable, for space may come back),
/// no_permission, read_only and is_link are `not_permitted`, bad_name is `bad_request`, the rest is
/// `unavailable`.
failure as_failure(const io_failure& problem);

/// `return fail_io(x)` in a function that answers `result<T>`.
template <class T>
tl::unexpected<failure> fail_io(const io_result<T>& other) {
  return tl::make_unexpected(as_failure(other.error()));
}

} // namespace luna::storage
