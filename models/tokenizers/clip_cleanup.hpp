#pragma once

#include <string>
#include <string_view>

#include "base/text_cleanup.hpp"

namespace luna::models {

/// A text as CLIP's byte-pair encoding reads it: composed (NFC), in lower case, white space as
/// blanks. For transformers 5 that is all. The tokenizer of transformers 4 (without the package
/// ftfy, as ComfyUI has it) also drops control, format, private and unassigned characters and sets
/// ideographs apart, and lowers as Python does: a final sigma is another letter.
/// @param text well-formed UTF-8.
std::u32string clean_clip_text(std::string_view text, text_cleanup how);

} // namespace luna::models
