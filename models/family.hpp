#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "models/loaded_model.hpp"
#include "models/run_context.hpp"
#include "models/text/text_encoder.hpp"
#include "models/tokenizers/tokenizer.hpp"
#include "models/vae/vae.hpp"
#include "models/weights/checkpoint.hpp"

// What a family of models is. Adding one is a file with its `family` and a row in the table of
// families.cpp; nothing else knows families by name.

namespace luna::models {

/// What a family of text encoders says of requests. The facts are what its `describe` made.
struct text_family {
  /// @param share the folder of vocabularies.
  /// @returns `internal` if the vocabulary is absent or damaged. Vocabularies are read once per
  ///   process and shared.
  result<std::shared_ptr<const tokenizer>> (*make_tokenizer)(const model_facts& facts,
                                                             const std::filesystem::path& share);
  result<void> (*check_job)(const model_facts& facts, const text_job& job);
  text_shapes (*output_shapes)(const model_facts& facts, const text_job& job);
  uint64_t (*working_bytes)(const model_facts& facts, std::span<const text_job> jobs);
};

/// What a family of VAEs says of requests.
struct vae_family {
  /// Memory beside the weights that one image takes in the net. Sides in the units of the input.
  uint64_t (*net_bytes)(const model_facts& facts, vae_direction direction, int64_t height,
                        int64_t width);
};

/// A family of models that this build serves.
struct family {
  /// Checks every tensor of a model that was recognised.
  /// @param type as in inspect_model.
  /// @returns `bad_model_file` if tensors are missing or have wrong shapes, `unsupported_model` for
  ///   relatives that compute differently.
  result<model_facts> (*describe)(std::span<const checkpoint> files, std::string_view type);

  /// Reads the weights; see load_model.
  result<std::unique_ptr<loaded_model>> (*load)(std::span<const model_file> files,
                                                const model_facts& facts,
                                                const load_options& options,
                                                const run_context& context);

  const text_family* text = nullptr; ///< of text encoders
  const vae_family* vae = nullptr;   ///< of VAEs
};

/// A row of the table: how a model is recognised by the names of its tensors, and whose it is then.
struct known_family {
  model_kind kind;
  std::string_view name; ///< for messages: what such a file holds
  bool (*matches)(const checkpoint& file);
  const family* served_by = nullptr; ///< null: this build does not serve it
};

/// The table. The order matters: the first row that matches is it.
std::span<const known_family> known_families();

/// Reads the headers of a model's files and says what they hold.
///
/// @param files one file, or several that make up one model (encoder and decoder of a VAE, the
///   encoders of SDXL).
/// @param type ComfyUI's type name of the request, or "" for the file's own.
/// @returns `unsupported_model` for pickles and for families that are not served (named),
///   `bad_model_file` for a broken file (with its name and the place), `unknown_model` if a file is
///   gone, `unavailable` if a file is no longer the one that was listed.
/// Files are open only during the call. May be called from any thread; blocks on the disk.
result<model_facts> inspect_model(model_kind kind, std::span<const model_file> files,
                                  std::string_view type = {},
                                  std::span<const known_family> families = known_families());

/// Reads the weights. `facts` are those of `inspect_model` for the same files.
/// @returns `bad_model_file` also when a file shrinks or changes meanwhile, `bad_request` for a
///   device or a precision that is not there, `out_of_memory`, `cancelled`; a failed load leaves
///   nothing behind.
/// Thread rule: the worker's; that thread has called `init_worker_thread`.
result<std::unique_ptr<loaded_model>> load_model(std::span<const model_file> files,
                                                 const model_facts& facts,
                                                 const load_options& options,
                                                 const run_context& context);

} // namespace luna::models
