#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/result.hpp"

namespace luna::storage {

/// A file without a name in the system's temporary folder ($TMPDIR, else /tmp): room for what is
/// too large for the memory and need not survive. It goes when nobody uses it any more, whatever
/// happens to the process. Not part of the `file_system` seam, since nothing durable depends on it.
///
/// Thread rule: one object for one thread; a view may be used by any.
class scratch_file {
public:
  /// @returns `unavailable` if the folder takes no files.
  static result<scratch_file> open();

  /// @returns `unavailable` if there is no room.
  result<void> append(std::span<const std::byte> bytes);

  struct view {
    std::shared_ptr<const void> owner;
    std::span<const std::byte> bytes;
  };

  /// Everything that was appended, mapped. Append nothing afterwards.
  result<view> map() const;

private:
  explicit scratch_file(int handle);

  std::shared_ptr<const int> handle_; ///< closes it
  uint64_t size_ = 0;
};

} // namespace luna::storage
