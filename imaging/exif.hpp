#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "imaging/metadata.hpp"

namespace luna::imaging {

/// EXIF as ComfyUI's frontend reads it: entries of IFD0 of type ASCII, each `key:text`, under
/// whatever tag; and a user comment for other programs.
///
/// Layout: "II", IFD0 sorted by tag, an Exif IFD if there is a comment, then the values that are
/// longer than four bytes in the order of the tags, each at an even offset. `prompt` has tag 0x0110
/// (Model), the others 0x010F, 0x010E, 0x010D and then 0xD000 and up. The comment is
/// "UNICODE\0" and UTF-16 (0x9286). The whole is even: older frontends mis-step odd RIFF chunks.
///
/// Thread rule: free functions without state, any thread.

/// The TIFF block, without "Exif\0\0". Empty if there is nothing to write.
/// @pre texts are valid UTF-8.
std::vector<std::byte> make_exif(std::span<const text_chunk> entries, std::string_view comment);

/// A block that fits, and what had to go for that.
struct fitted_exif {
  std::vector<std::byte> bytes;
  std::vector<std::string> left_out; ///< keys; "comment" for the comment
};

/// The same within `limit` bytes: `workflow` is left out first, then the other entries from the
/// last to the first, then `prompt`, then the comment.
fitted_exif make_exif_within(const picture_text& text, size_t limit);

} // namespace luna::imaging
