#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace luna {

/// Number of single-byte insertions, deletions and replacements that turn `a` into `b`.
size_t edit_distance(std::string_view a, std::string_view b);

/// The candidates that someone who wrote `name` may have meant, best first, at most `count`; none
/// that differs in more than a third of the longer name. Case does not count.
std::vector<std::string>
nearest_names(std::string_view name, const std::vector<std::string>& candidates, size_t count = 3);

/// ", did you mean 'a' or 'b'?", or "" if nothing is near.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

} // namespace luna
