#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_block.hpp"

namespace luna {

/// Where one tensor lies in a safetensors buffer.
struct safetensors_entry {
  std::string name;

  /// A type of the format that no dtype stands for ("F4", "F8_E8M0"), or empty. Such a tensor is
  /// known as bytes: `type` is u8 and `shape` their number.
  std::string_view packed_type;

  dtype type = dtype::f32;
  std::vector<int64_t> shape;
  uint64_t begin =
    0; ///< offset of the first byte from the start of the buffer (not of its data part)
  uint64_t end = 0; ///< one past the last byte
};

/// The header of a safetensors buffer or file, checked: every entry's bytes lie inside the buffer,
/// fit its shape and type, and overlap no other's; the entries cover the data part without a hole.
/// Format: https://github.com/huggingface/safetensors#format
struct safetensors_header {
  std::vector<safetensors_entry> entries;      ///< in the order of their bytes
  std::map<std::string, std::string> metadata; ///< the strings under "__metadata__"
  uint64_t data_begin = 0;                     ///< offset of the data part from the start

  const safetensors_entry* find(std::string_view name) const;
};

struct safetensors_limits {
  uint64_t header_bytes = uint64_t{100} << 20; ///< what the reference implementation allows
  size_t tensors = 100000;                     ///< as many texts may stand in the metadata
  size_t rank = 8;
};

/// Reads and checks the header of a buffer.
/// @param prefix the first bytes, at least the 8 + N bytes of the header.
/// @param total_size size of the whole buffer or file.
/// @returns `bad_request` with what is wrong; callers that read a model file say `bad_model_file`.
result<safetensors_header> parse_safetensors(std::span<const std::byte> prefix, uint64_t total_size,
                                             const safetensors_limits& limits = {});

/// Reads a whole buffer into blocks that share `owner`. An empty buffer holds no tensors.
/// Tensors whose offset is not aligned for their type are copied, so `tensor_block::as` is safe.
/// @returns as parse_safetensors; `bad_request` also for a packed type.
result<std::vector<named_tensor>> read_safetensors(std::span<const std::byte> buffer,
                                                   std::shared_ptr<const void> owner,
                                                   const safetensors_limits& limits = {});

/// The head of a safetensors buffer for these tensors: 8 bytes of length and the JSON, padded with
/// spaces to a multiple of 8. The tensors' bytes follow it in the same order, without gaps.
std::string write_safetensors_head(std::span<const named_tensor> tensors,
                                   const std::map<std::string, std::string>& metadata = {});

/// The whole buffer in one string: for small bodies, tests and files.
std::string write_safetensors(std::span<const named_tensor> tensors,
                              const std::map<std::string, std::string>& metadata = {});

} // namespace luna
