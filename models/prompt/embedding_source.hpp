#pragma once

#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_block.hpp"

namespace luna::models {

/// Where the tokenizer finds textual inversions ("embedding:name" in a prompt).
/// Thread rule: `find` may be called from any thread.
class embedding_source {
public:
  virtual ~embedding_source() = default;

  /// The tensors of the embedding's file.
  /// @param name as in the prompt: with or without extension, may name a sub-folder.
  /// @returns `unknown_model` if there is none, `unsupported_model` for a pickle (.pt, .bin),
  ///   `not_permitted` for a name that leaves the folders, `bad_model_file`.
  virtual result<std::vector<named_tensor>> find(std::string_view name) const = 0;
};

/// The safetensors files under these folders, recursively, the first match wins.
std::shared_ptr<const embedding_source>
make_embedding_folders(std::vector<std::filesystem::path> folders);

} // namespace luna::models
