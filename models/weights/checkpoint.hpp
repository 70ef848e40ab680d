#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/weights/safetensors_file.hpp"

namespace luna::models {

/// The tensors of all files of one model, by name.
///
/// Contract: halves of an autoencoder pair that carry bare layer numbers ("3.conv.0.weight") get
/// the prefixes "taesd_encoder." and "taesd_decoder.", as ComfyUI's loader gives them. Any other
/// name that two files share is `bad_model_file`.
class checkpoint {
public:
  struct tensor {
    size_t file = 0;
    const safetensors_entry* entry = nullptr;
  };

  /// Opens the files and reads their headers.
  /// @returns `unsupported_model` for pickles and other formats, else as safetensors_file::open.
  static result<checkpoint> open(std::span<const model_file> files);

  const std::map<std::string, tensor, std::less<>>& tensors() const noexcept { return tensors_; }

  /// The tensor's place, or nullptr.
  const safetensors_entry* find(std::string_view name) const;

  bool has(std::string_view name) const { return find(name) != nullptr; }

  /// Whether any name begins so.
  bool has_prefix(std::string_view prefix) const;

  /// One more than the greatest n of all names that begin "<prefix>n."; 0 if there is none. A layer
  /// that is missing in between does not count as the end.
  int numbered(std::string_view prefix) const;

  /// Number of rows (first dimension); 0 if there is no such tensor.
  int64_t rows(std::string_view name) const;

  /// `bad_model_file` if there is no such tensor.
  result<void> require(std::string_view name) const;

  /// Checks that a tensor is there with this shape and floating-point elements.
  result<void> expect(std::string_view name, std::span<const int64_t> shape) const;

  /// Fills `into` with the tensor's bytes from `offset` on. @pre `has(name)`
  result<void> read(std::string_view name, uint64_t offset, std::span<std::byte> into) const;

  /// Whether all files are still what they were.
  result<void> check_unchanged() const;

  /// "clip_l.safetensors" or "a.safetensors + b.safetensors", for messages.
  std::string title() const;

  /// Whether the halves came in files of their own.
  bool is_pair() const noexcept { return files_.size() > 1; }

  /// File name without folder and extension of the first file.
  std::string stem() const { return files_.front().path().stem().string(); }

private:
  result<void> add(size_t index);

  std::vector<safetensors_file> files_;
  std::map<std::string, tensor, std::less<>> tensors_;
};

/// The files of a text model, each by itself: towers in files of their own share their names.
/// @returns as checkpoint::open.
result<std::vector<checkpoint>> open_text_files(std::span<const model_file> files);

} // namespace luna::models
