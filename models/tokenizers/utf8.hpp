#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace luna::models {

/// The code points of well-formed UTF-8; nothing if it is ill-formed.
std::optional<std::u32string> decode_utf8(std::string_view text);

std::string encode_utf8(std::u32string_view text);

/// What Unicode calls white space.
bool is_space(char32_t c);

/// What Python's str.split, str.strip and the \s of its expressions take for white space.
bool is_python_space(char32_t c);

bool is_letter(char32_t c); ///< general category L
bool is_number(char32_t c); ///< general category N

/// 0 to 9 for a decimal digit of any script (category Nd), else nothing.
std::optional<int> digit_value(char32_t c);

} // namespace luna::models
