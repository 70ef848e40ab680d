#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace luna {

/// How scaled dot product attention is computed.
enum class attention_mode : uint8_t {
  automatic, ///< "auto": luna's own choice
  flash,     ///< the fused kernel, forced
  split,     ///< sliced over the queries: bounded memory
  pytorch,   ///< whatever scaled_dot_product_attention chooses
};

constexpr std::string_view to_string(attention_mode mode) {
  switch (mode) {
  case attention_mode::flash:
    return "flash";
  case attention_mode::split:
    return "split";
  case attention_mode::pytorch:
    return "pytorch";
  default:
    return "auto";
  }
}

constexpr std::optional<attention_mode> attention_mode_of(std::string_view name) {
  if (name == "auto")
    return attention_mode::automatic;
  if (name == "flash")
    return attention_mode::flash;
  if (name == "split")
    return attention_mode::split;
  if (name == "pytorch")
    return attention_mode::pytorch;
  return std::nullopt;
}

} // namespace luna
