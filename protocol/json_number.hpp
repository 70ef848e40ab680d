#pragma once

#include <cstddef>
#include <string_view>

#include "protocol/header_json.hpp"

namespace luna::protocol {

/// A JSON number at the beginning of a text.
struct scanned_number {
  size_t size = 0; ///< bytes of it; 0 if there is none
  json value;
  std::string_view problem; ///< why there is no value although there is a number, or empty
};

/// Reads a number as Python's json module does: without point and exponent it is a whole number,
/// here of 64 bits; otherwise a double, 0 if it is too small for one. A number that is too large
/// for either is a problem. The text may go on behind it.
scanned_number scan_number(std::string_view text);

} // namespace luna::protocol
