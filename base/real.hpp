#pragma once

namespace luna {

/// A double that survives the wire: CAF 0.17 hangs on infinities and garbles NaN and denormals, so
/// its bits travel (messages/real.hpp). Everywhere else it is a double.
struct real {
  double value = 0;

  constexpr real(double x = 0) noexcept : value(x) {}
  constexpr operator double() const noexcept { return value; }
};

} // namespace luna
