#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "storage/file_system.hpp"

namespace luna {

/// The folders that pictures may go to.
///
/// The problem: a path is not a folder. On another machine, or in a container, the same path names
/// another one, and a client that trusts it shows old pictures and never gets the new ones. So a
/// client writes a file under a random name into its folder and asks what stands in it: only who
/// has the same folder can say.
///
/// Contract: nothing but files named `.luna-probe-<nonce>` is read, below an allowed folder,
/// without following links, and only what has the form of such a file is told. A folder is added by
/// a path without links, since a link may lead elsewhere tomorrow. Thread rule: one owner; all but
/// `list` may block.
class output_folders {
public:
  /// Folders that may be added to those of the start.
  static constexpr size_t max_added = 64;

  /// A nonce has so many hexadecimal digits, what stands in the file twice as many.
  static constexpr size_t nonce_digits = 32;

  output_folders(std::shared_ptr<storage::file_system> files, std::vector<std::string> allowed);

  const std::vector<std::string>& list() const noexcept { return allowed_; }

  /// What stands in a client's proof file; nothing if there is none here.
  /// @param folder absolute. @param nonce see is_nonce.
  /// @returns `bad_request`, `not_permitted` for a folder that is not allowed or cannot be read.
  result<std::optional<std::string>> read_probe(const std::string& folder,
                                                std::string_view nonce) const;

  /// Allows a folder that exists and can be written to.
  /// @returns false if it is allowed already; `bad_request` or `not_permitted` with what is wrong.
  result<bool> allow(const std::string& folder);

  /// Whether the text is the nonce of a proof file: lower case hexadecimal digits.
  static bool is_nonce(std::string_view text);

private:
  std::shared_ptr<storage::file_system> files_;
  std::vector<std::string> allowed_;
  size_t added_ = 0;
};

} // namespace luna
