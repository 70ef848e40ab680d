#pragma once

#include <string>
#include <string_view>

namespace luna::imaging {

/// Names of texts in files that cannot hold every name.
///
/// The problem: a name that a client chose must never cost the picture. PNG takes 1 to 79
/// characters of Latin-1, OpenEXR 255 bytes, and in EXIF and TIFF a line break or a NUL would end
/// it. So what a format cannot hold is escaped as in JSON.
///
/// Thread rule: free functions without state, any thread. All texts are UTF-8.

/// Whether `key` can be the keyword of a PNG text chunk: 1 to 79 printable Latin-1 characters.
bool is_png_keyword(std::string_view key);

/// UTF-8 to Latin-1. @pre every character is in it, as in a PNG keyword.
std::string latin1_of_keyword(std::string_view key);

/// A keyword for any key: itself if it can be one, else ASCII with "\u043a" for what is not, "\\"
/// for a backslash. One of more than 79 characters ends with "~" and eight hexadecimal digits that
/// tell it from others with the same beginning.
std::string png_keyword_of(std::string_view key);

/// The key in ASCII, escaped in the same way, however long.
std::string ascii_key(std::string_view key);

/// The key with its control characters escaped.
std::string one_line_key(std::string_view key);

} // namespace luna::imaging
