#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace luna {

/// What a model is used for; a checkpoint file may serve several.
/// The numbers travel between nodes: append only.
enum class model_kind : uint8_t { text, vae, vision, vlm };

/// The name in requests and configuration, for instance "text".
constexpr std::string_view to_string(model_kind kind) {
  switch (kind) {
  case model_kind::text:
    return "text";
  case model_kind::vae:
    return "vae";
  case model_kind::vision:
    return "vision";
  default:
    return "vlm";
  }
}

constexpr std::optional<model_kind> model_kind_of(std::string_view name) {
  for (auto kind : {model_kind::text, model_kind::vae, model_kind::vision, model_kind::vlm})
    if (to_string(kind) == name)
      return kind;
  return std::nullopt;
}

/// A model's name as luna compares it; ComfyUI on Windows lists `sub\x` for `sub/x`.
inline std::string with_slashes(std::string name) {
  std::replace(name.begin(), name.end(), '\\', '/');
  return name;
}

} // namespace luna
