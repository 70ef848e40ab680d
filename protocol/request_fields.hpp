#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor_block.hpp"
#include "protocol/fields.hpp"

namespace luna::protocol {

/// The fields that every command shares (docs/protocol.md, section 4). Plain values.

/// How a request names a model: one name, or the files of a text encoder made of several.
struct model_field {
  std::vector<std::string> files; ///< one name, or 1 to 8 files; with `/` for `\`
  std::string type;               ///< ComfyUI's type name of several files, for instance "sdxl"

  friend bool operator==(const model_field&, const model_field&) = default;
};

/// Which of the common fields a command has beside cmd, deadline_ms, priority and progress.
struct common_use {
  enum class model_use { none, optional, required } model = model_use::none;
  bool dtype = false; ///< the reply has tensors
  bool loras = false;
};

struct common_fields {
  std::string cmd; ///< as the client wrote it
  std::optional<model_field> model;
  std::chrono::milliseconds deadline{120000};
  int priority = 0; ///< -1, 0, 1
  std::optional<dtype> reply_type;
  bool progress = false;
};

/// Reads the common fields; problems stay in the reader. A non-empty `loras` is one.
common_fields read_common_fields(field_reader& in, const common_use& use);

/// Reads a field that names a model, such as `model`; nothing if absent.
std::optional<model_field> read_model_field(field_reader& in, std::string_view name);

/// The command of a header: `bad_request` if it is missing or no text. The view is into the header.
result<std::string_view> command_of(const json& header);

} // namespace luna::protocol
