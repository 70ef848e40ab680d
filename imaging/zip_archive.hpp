#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/result.hpp"

struct archive;

namespace luna::imaging {

/// Writes a ZIP while its bytes go on to somewhere else: no more than one file is in memory.
///
/// Files are stored, not compressed (pictures are compressed already); names are UTF-8; archives of
/// more than 4 GB take the ZIP64 form.
///
/// Thread rule: one object for one thread.
class zip_archive {
public:
  /// Takes the next bytes of the archive; a failure ends the work.
  using sink = std::function<result<void>(std::span<const std::byte>)>;

  /// @param time_of_files unix time, seconds, shown beside each file.
  static result<zip_archive> open(sink to, int64_t time_of_files);

  /// Adds a file. @param name with "/" between folders. @returns the sink's failure, or `internal`.
  result<void> add(const std::string& name, std::span<const std::byte> bytes);

  /// Writes the directory. Nothing may be added afterwards.
  result<void> finish();

private:
  struct state;
  struct closer {
    void operator()(archive* x) const;
  };

  explicit zip_archive(std::unique_ptr<state> state);
  result<void> checked(int status);

  std::unique_ptr<state> state_; ///< outlives the archive, whose end may write
  std::unique_ptr<archive, closer> archive_;

public:
  zip_archive(zip_archive&&) noexcept;
  ~zip_archive();
};

} // namespace luna::imaging
