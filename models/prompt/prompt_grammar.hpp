#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace luna::models {

/// A stretch of a prompt that has one weight; it is tokenized on its own.
struct prompt_segment {
  std::string text; ///< UTF-8, escapes resolved
  double weight = 1.0;

  friend bool operator==(const prompt_segment&, const prompt_segment&) = default;
};

/// Longest prompt, in bytes. Some 50,000 tokens: far above what anyone writes.
inline constexpr size_t max_prompt_bytes = size_t{256} << 10;

/// Deepest nesting of parentheses (ComfyUI itself fails at about as much).
inline constexpr int max_prompt_depth = 1000;

/// Each level of nesting reads what is inside it again: how many bytes may be read in all. Enough
/// for 1,000 levels around 16,000 characters.
inline constexpr size_t max_prompt_work = size_t{16} << 20;

/// Reads the weights of a prompt as ComfyUI does.
///
/// "(text)" multiplies the weight by 1.1, "(text:1.3)" sets it; groups nest; "\(" and "\)" are
/// literal; parentheses without a partner are text. Square brackets mean nothing.
/// @param text UTF-8.
/// @returns segments in order; `bad_request` for ill-formed UTF-8, or a prompt that is longer or
///   deeper than the bounds above. A weight may be infinite or NaN ("(a:inf)"): callers check.
result<std::vector<prompt_segment>> parse_prompt(std::string_view text);

/// A number as Python's float() reads it: surrounding white space, underscores between digits,
/// digits of any script, "inf", "infinity", "nan".
std::optional<double> python_float(std::string_view text);

} // namespace luna::models
