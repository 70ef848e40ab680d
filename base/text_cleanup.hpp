#pragma once

#include <cstdint>

namespace luna {

/// How CLIP's tokenizer reads a text before it cuts it into words: as that of transformers 5, or as
/// that of transformers 4, which an older ComfyUI runs on.
enum class text_cleanup : uint8_t { transformers5, transformers4 };

} // namespace luna
