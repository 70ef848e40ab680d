#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace luna::imaging {

/// The text that Python's `json.dumps(value)` returns: ", " and ": " as separators, everything
/// beyond ASCII escaped (surrogate pairs beyond the BMP), floats as Python's repr writes them, keys
/// in their order. Integers beyond 64 bits have become floats in `value` already.
/// @pre strings are valid UTF-8, floats are finite (both hold for parsed JSON).
std::string json_dumps(const nlohmann::ordered_json& value);

/// Python's `repr` of a finite float: the shortest digits that read back equal.
std::string python_float_repr(double value);

} // namespace luna::imaging
