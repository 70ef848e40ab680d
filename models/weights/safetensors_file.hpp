#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.hpp"
#include "base/safetensors.hpp"
#include "models/weights/inspect.hpp"

namespace luna::models {

/// Whether an open file is the one that was listed; `unavailable` if it is another or has changed:
/// who looks again finds the new one.
result<void> check_unchanged(const model_file& file, int descriptor);

/// One open safetensors file.
///
/// The problem: a mapped file that shrinks kills the process that touches the lost pages. So the
/// bytes are read with pread into the caller's memory, and every short read is an error that names
/// the file.
/// Contract: the header is checked (ranges, overlaps, holes) before anything else is read, and its
/// size is bounded. Failures are `bad_model_file`, name the file, and say what it is if it is
/// something else; a file that changes while it is read is `unavailable`.
/// Thread rule: `read` may be called from any thread.
class safetensors_file {
public:
  /// @param file as it was listed. @returns `unavailable` if another lies there now.
  static result<safetensors_file> open(const model_file& file);

  safetensors_file(safetensors_file&& other) noexcept;
  safetensors_file& operator=(safetensors_file&&) = delete;
  ~safetensors_file();

  const safetensors_header& header() const noexcept { return header_; }
  const std::filesystem::path& path() const noexcept { return file_.path; }

  /// Fills `into` with the bytes of a tensor from `offset` on.
  result<void> read(const safetensors_entry& entry, uint64_t offset,
                    std::span<std::byte> into) const;

  /// Whether it is still the file of `open`; `unavailable` otherwise.
  result<void> check_unchanged() const;

private:
  safetensors_file(model_file file, int descriptor)
    : file_(std::move(file)), descriptor_(descriptor) {}

  result<void> read_header();
  failure no_header(const std::string& what) const;

  model_file file_;
  int descriptor_;
  safetensors_header header_;
};

} // namespace luna::models
